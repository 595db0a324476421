/** Which samples calibrate and which judge: the two never overlap unless there is nothing else. */

import type { RunnerSpec } from '../../contract/recipe.ts'
import type { Warning } from '../../contract/report.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { ValueInfo } from '../runtime/runtime.ts'
import { type Dataset, openDataset } from './dataset.ts'
import { batchSizeFor, type Samples } from './samples.ts'

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
export async function splitSamples(spec: RunnerSpec, inputs: readonly ValueInfo[]): Promise<Split> {
  const calibration = spec.calibration ? await openDataset(spec.calibration.path, spec.calibration.spec) : null
  const evaluation = spec.evaluation ? await openDataset(spec.evaluation.path, spec.evaluation.spec) : null
  const wished = spec.recipe.calibration?.samples ?? DEFAULT_CALIBRATION
  if (evaluation) {
    const judging = first(evaluation, spec.recipe.evaluation?.samples ?? evaluation.samples)
    return { calibration: calibration && first(calibration, wished), heldOut: judging, warnings: [] }
  }
  if (!calibration) return { calibration: null, heldOut: null, warnings: [] }
  return divide(calibration, wished, batchSizeFor(inputs, calibration, 1))
}

function first(dataset: Dataset, wished: number): Samples {
  if (dataset.samples > 0) return { dataset, start: 0, count: Math.min(wished, dataset.samples) }
  throw new FewbitError('dataset_mismatch', 'the data set has no samples')
}

/** `batch` samples belong together. */
function divide(dataset: Dataset, wished: number, batch: number): Split {
  const used = first(dataset, wished)
  const left = dataset.samples - used.count
  if (left >= batch) return halves(dataset, used.count, Math.max(batch, Math.min(left, MOST_HELD_OUT)))
  const part = Math.floor(dataset.samples / HELD_OUT_PART / batch) * batch
  if (part === 0) return { calibration: used, heldOut: used, warnings: [NOT_HELD_OUT] }
  return halves(dataset, dataset.samples - part, Math.min(part, Math.max(batch, MOST_HELD_OUT)))
}

const halves = (dataset: Dataset, at: number, heldOut: number): Split => ({
  calibration: { dataset, start: 0, count: at },
  heldOut: { dataset, start: at, count: heldOut },
  warnings: [],
})

const NOT_HELD_OUT: Warning = {
  code: 'no_held_out_samples',
  detail:
    'the data set is so small that the samples that calibrated also judge; name an evaluation data set for an honest figure',
}
