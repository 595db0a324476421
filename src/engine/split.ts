/** Which samples calibrate and which judge: the two never overlap unless there is nothing else. */
import { FewbitError } from '../shared/errors.ts'
import { type Dataset, openDataset } from './data/dataset.ts'
import type { RunnerSpec } from './recipe.ts'
import type { Warning } from './report.ts'
import type { Samples } from './samples.ts'

export interface Split {
  calibration: Samples | null
  heldOut: Samples | null
  warnings: Warning[]
}

const DEFAULT_CALIBRATION = 128
const MOST_HELD_OUT = 64
/** part of a data set that is held out when calibration asks for all of it */
const HELD_OUT_PART = 5

/** Opens the data sets of a job and divides them. Throws dataset_* errors. */
export async function splitSamples(spec: RunnerSpec): Promise<Split> {
  const calibration = spec.calibration ? await openDataset(spec.calibration.path, spec.calibration.spec) : null
  const evaluation = spec.evaluation ? await openDataset(spec.evaluation.path, spec.evaluation.spec) : null
  const wished = spec.recipe.calibration?.samples ?? DEFAULT_CALIBRATION
  if (evaluation) {
    return {
      calibration: calibration && first(calibration, wished),
      heldOut: first(evaluation, spec.recipe.evaluation?.samples ?? evaluation.samples),
      warnings: [],
    }
  }
  return calibration ? divide(calibration, wished) : { calibration: null, heldOut: null, warnings: [] }
}

function first(dataset: Dataset, wished: number): Samples {
  if (dataset.samples > 0) return { dataset, start: 0, count: Math.min(wished, dataset.samples) }
  throw new FewbitError('dataset_mismatch', 'the data set has no samples')
}

function divide(dataset: Dataset, wished: number): Split {
  const used = first(dataset, wished)
  const left = dataset.samples - used.count
  if (left > 0)
    return {
      calibration: used,
      heldOut: { dataset, start: used.count, count: Math.min(left, MOST_HELD_OUT) },
      warnings: [],
    }
  const part = Math.floor(dataset.samples / HELD_OUT_PART)
  if (part === 0) return { calibration: used, heldOut: used, warnings: [NOT_HELD_OUT] }
  const kept = { dataset, start: 0, count: dataset.samples - part }
  const heldOut = { dataset, start: kept.count, count: Math.min(part, MOST_HELD_OUT) }
  return { calibration: kept, heldOut, warnings: [] }
}

const NOT_HELD_OUT: Warning = {
  code: 'no_held_out_samples',
  detail:
    'the data set is so small that the samples that calibrated also judge; name an evaluation data set for an honest figure',
}
