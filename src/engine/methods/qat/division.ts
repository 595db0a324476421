/** Which samples train and which judge while training goes on: a random part is held out. */

import type { RunnerSpec } from '../../../contract/recipe.ts'
import type { Warning } from '../../../contract/report.ts'
import { openDataset } from '../../data/dataset.ts'
import { reordered } from '../../data/reorder.ts'
import type { Samples } from '../../data/samples.ts'
import { shuffled } from './samples.ts'

export interface Division {
  training: Samples
  heldOut: Samples
  warnings: Warning[]
}

const HELD_OUT_PART = 0.1
const MOST_HELD_OUT = 512
const LEAST_HELD_OUT = 16
/** fewer samples are not divided: they train and judge */
const LEAST_DIVIDED = 8

/** Opens the training data of a job, or its calibration data where it names none; null without either. The seed decides the order. */
export async function openTraining({ training, calibration, recipe }: RunnerSpec): Promise<Division | null> {
  const source = training ?? calibration
  if (!source) return null
  const dataset = await openDataset(source.path, source.spec)
  const count = Math.min(recipe.training?.samples ?? dataset.samples, dataset.samples)
  return divideSamples({ dataset, start: 0, count }, recipe.seed)
}

/** Divides samples at random; `part` is held out. */
export function divideSamples({ dataset, start, count }: Samples, seed: number, part = HELD_OUT_PART): Division {
  const order = shuffled(
    Array.from({ length: count }, (_, i) => start + i),
    seed,
  )
  return divide({ dataset: reordered(dataset, order), start: 0, count }, part)
}

/** Holds out `part` at the end, at least 16 and at most 512 samples, and never more than a fifth unless `part` is larger. */
function divide(all: Samples, part: number): Division {
  if (all.count < LEAST_DIVIDED) return { training: all, heldOut: all, warnings: [NOT_DIVIDED] }
  const wished = Math.min(MOST_HELD_OUT, Math.max(LEAST_HELD_OUT, Math.round(all.count * part)))
  const held = Math.min(wished, Math.max(1, Math.floor(all.count * Math.max(part, 1 / 5))))
  const at = all.count - held
  return { training: { ...all, count: at }, heldOut: { ...all, start: at, count: held }, warnings: [] }
}

const NOT_DIVIDED: Warning = {
  code: 'no_held_out_samples',
  detail: 'the training data is so small that the samples that train also judge',
}
