/** Which samples of a data set do what: the only place where samples are divided. Every part is drawn over the whole data set, because data sets may be sorted. */

import type { MeasuredOn } from '../../contract/measured-on.ts'
import { factsOf, type SampleUse } from '../../contract/method-facts.ts'
import type { Recipe } from '../../contract/recipe.ts'
import type { Warning } from '../../contract/report.ts'
import { type DataPart, LEAST_WITH_PARTS, type RunnerSpec } from '../../contract/runner-protocol.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { CalibrationBatches } from './batches.ts'
import type { Dataset } from './dataset.ts'
import type { Decoding } from './images/index.ts'
import { openAny } from './open.ts'
import { chosen, type Samples } from './samples.ts'
import { randomSource } from './synthetic.ts'

/** The data sets of a job. */
export interface JobData {
  calibration: Dataset | null
  training: Dataset | null
  evaluation: Dataset | null
}

export interface Split {
  calibration: Samples | null
  verifying: Verifying | null
  training: Halves | null
  warnings: Warning[]
}

/** What verifies, and where it comes from. */
export interface Verifying {
  samples: Samples
  measuredOn: MeasuredOn
}

/** Two parts of the same data set, which overlap only where there is too little to divide. */
export interface Halves {
  samples: Samples
  heldOut: Samples
}

/** How many of so many samples are held out. */
interface HoldOut {
  part: number
  most: number
  /** where no more than a fifth, or `part` if that is more */
  least?: number
  /** smaller sets are not divided */
  from: number
}

const FIFTH = 1 / 5

/** of the calibration data, to verify where the job names no evaluation data */
const VERIFYING: HoldOut = { part: FIFTH, most: 64, from: 5 }
/** of the training data, to judge by while training goes on */
const TRAINING: HoldOut = { part: 1 / 10, most: 512, least: 16, from: 8 }
/** of calibration data that refines blocks: there is little, and what is held out decides whether anything is kept */
const REFINING: HoldOut = { part: 1 / 4, most: 512, least: 16, from: 8 }
/** of what calibrates, to judge what a search tries */
export const JUDGING: HoldOut = { part: 1 / 4, most: 32, from: 40 }

/** of a data set that comparisons both calibrate and judge with */
const COMPARING: HoldOut = { part: 1 / 2, most: 2000, from: LEAST_WITH_PARTS }

/** samples that calibrate where the job does not say how many */
const USUAL_CALIBRATION = 128

/** Opens the data sets of a job. Throws dataset_* errors. */
export async function openData(
  { calibration, training, evaluation, recipe: { seed } }: RunnerSpec,
  decoding: Decoding,
): Promise<JobData> {
  const open = async (source: RunnerSpec['calibration']) => {
    const dataset = source ? await openAny(source.path, source.spec, decoding) : null
    if (dataset?.samples === 0) throw new FewbitError('dataset_mismatch', 'the data set has no samples')
    return dataset && source?.part ? partOf(dataset, source.part, seed) : dataset
  }
  return { calibration: await open(calibration), training: await open(training), evaluation: await open(evaluation) }
}

/** Divides the data of a job as its method needs. */
export function splitSamples(data: JobData, recipe: Recipe): Split {
  const split = USES[factsOf(recipe.method).samples](data, recipe)
  if (!data.evaluation) return split
  const samples = draw(whole(data.evaluation), recipe.evaluation?.samples, recipe.seed)
  return { ...split, verifying: { samples, measuredOn: 'evaluation' } }
}

const NONE: Split = { calibration: null, verifying: null, training: null, warnings: [] }

const USES: Record<SampleUse, (data: JobData, recipe: Recipe) => Split> = {
  calibrates: holdingOut,
  'calibrates with all': ({ calibration, evaluation }, { calibration: wishes, seed }) => {
    if (!calibration) return NONE
    const all = draw(whole(calibration), wishes?.samples, seed)
    if (evaluation) return { ...NONE, calibration: all }
    return { ...NONE, calibration: all, ...measuredOnCalibration(draw(all, VERIFYING.most, seed), ALL_CALIBRATE) }
  },
  refines: (data, recipe) => {
    const split = holdingOut(data, recipe)
    return { ...split, training: split.calibration && holdOut(split.calibration, REFINING, recipe.seed) }
  },
  trains: ({ calibration, training, evaluation }, recipe) => {
    const source = training ?? calibration
    if (!source) return NONE
    const { seed } = recipe
    const halves = holdOut(draw(whole(source), recipe.training?.samples, seed), TRAINING, seed)
    const calibrating = training && calibration ? whole(calibration) : halves.samples
    const tooFew = halves.samples === halves.heldOut
    return {
      calibration: draw(calibrating, recipe.calibration?.samples ?? USUAL_CALIBRATION, seed),
      training: halves,
      verifying: { samples: halves.heldOut, measuredOn: tooFew ? 'training' : 'held_out' },
      warnings: tooFew && !evaluation ? [notHeldOut(TRAIN_AND_JUDGE)] : [],
    }
  },
  nothing: ({ calibration }, { calibration: wishes, seed }) =>
    calibration
      ? {
          ...NONE,
          verifying: {
            samples: draw(whole(calibration), wishes?.samples ?? VERIFYING.most, seed),
            measuredOn: 'held_out',
          },
        }
      : NONE,
}

/** What calibrates does not verify: of the calibration data a part is held out unless there is evaluation data. */
function holdingOut({ calibration, evaluation }: JobData, recipe: Recipe): Split {
  if (!calibration) return NONE
  const { seed } = recipe
  const all = whole(calibration)
  const wished = recipe.calibration?.samples ?? USUAL_CALIBRATION
  if (evaluation) return { ...NONE, calibration: draw(all, wished, seed) }
  const left = Math.max(all.count - wished, countOf(VERIFYING, all.count))
  if (left === 0) return { ...NONE, calibration: all, ...measuredOnCalibration(all, TOO_FEW) }
  const { samples, heldOut } = divide(all, Math.min(left, VERIFYING.most), seed)
  return { ...NONE, calibration: draw(samples, wished, seed), verifying: { samples: heldOut, measuredOn: 'held_out' } }
}

const measuredOnCalibration = (samples: Samples, why: string): Pick<Split, 'verifying' | 'warnings'> => ({
  verifying: { samples, measuredOn: 'calibration' },
  warnings: [notHeldOut(why)],
})

const ALL_CALIBRATE =
  'all samples of the data set calibrate, as onnxruntime.quantization has it, so that the metrics were measured on samples that calibrated'
const TOO_FEW = 'the data set is so small that the metrics were measured on the samples that calibrated'
const TRAIN_AND_JUDGE = 'the training data is so small that the metrics were measured on the samples that trained'

const notHeldOut = (why: string): Warning => ({
  code: 'no_held_out_samples',
  detail: `${why}: name an evaluation data set for figures of samples that the artifact has not seen`,
})

const whole = (dataset: Dataset): Samples => ({ dataset, start: 0, count: dataset.samples })

function partOf(dataset: Dataset, part: DataPart, seed: number): Dataset {
  const { samples, heldOut } = holdOut(whole(dataset), COMPARING, seed)
  const own = part === 'held_out' ? heldOut : samples
  return chosen(own, [...Array(own.count).keys()]).dataset
}

/** How many of `total` samples are held out; 0 where there are too few to divide. */
function countOf({ part, most, least = 1, from }: HoldOut, total: number): number {
  if (total < from) return 0
  const wished = Math.min(most, Math.max(least, Math.round(total * part)))
  return Math.min(wished, Math.max(1, Math.floor(total * Math.max(part, FIFTH))))
}

/** Holds samples out; where there are too few, the same samples do both. */
export function holdOut(samples: Samples, how: HoldOut, seed: number): Halves {
  const count = countOf(how, samples.count)
  return count > 0 ? divide(samples, count, seed) : { samples, heldOut: samples }
}

/** Draws `count` samples over all of them, in their order; all of them by default. */
export const draw = (samples: Samples, count = samples.count, seed = 0): Samples =>
  count >= samples.count ? samples : chosen(samples, withEnds(samples.count, count, seed))

/** Holds samples out of batches; of too few, the same samples do both. */
export function holdOutOfBatches(batches: CalibrationBatches, how: HoldOut, seed: number) {
  const count = countOf(how, batches.samples)
  if (count === 0) return { calibration: batches, judging: drawBatches(batches, how.most, seed) }
  const { drawn, others } = divided(batches.samples, count, seed)
  return { calibration: batches.only(others), judging: batches.only(drawn) }
}

/** Draws `count` samples over all batches. */
export const drawBatches = (batches: CalibrationBatches, count: number, seed: number): CalibrationBatches =>
  count >= batches.samples ? batches : batches.only(withEnds(batches.samples, count, seed))

/** Draws `heldOut` samples over all of them; the others, in their order, lie before them in the same data set. */
function divide(samples: Samples, heldOut: number, seed: number): Halves {
  const { drawn, others } = divided(samples.count, heldOut, seed)
  const { dataset } = chosen(samples, [...others, ...drawn])
  return {
    samples: { dataset, start: 0, count: others.length },
    heldOut: { dataset, start: others.length, count: drawn.length },
  }
}

/** Which of `total` samples are held out. The first and the last are not: where data is sorted they are its extremes, which have to calibrate. */
function divided(total: number, heldOut: number, seed: number): { drawn: number[]; others: number[] } {
  const margin = total >= heldOut + 2 ? 1 : 0
  const drawn = drawnIndices(total - 2 * margin, heldOut, seed).map((index) => index + margin)
  const taken = new Set(drawn)
  return { drawn, others: Array.from({ length: total }, (_, i) => i).filter((i) => !taken.has(i)) }
}

/** Drawn indices of which, where there are three and more, the first and the last are the ends. */
function withEnds(total: number, count: number, seed: number): number[] {
  if (count < 3) return drawnIndices(total, count, seed)
  return [0, ...drawnIndices(total - 2, count - 2, seed).map((index) => index + 1), total - 1]
}

/**
 * `count` of the numbers 0 … total − 1: one of each of so many stretches of the same length, at a place that the seed decides. Sorted data is covered
 * from end to end, and data with a period is not met at the same point of it each time.
 */
function drawnIndices(total: number, count: number, seed: number): number[] {
  const random = randomSource(seed)
  const edge = (i: number) => Math.floor((i * total) / count)
  return Array.from({ length: count }, (_, i) => edge(i) + Math.floor(random() * (edge(i + 1) - edge(i))))
}
