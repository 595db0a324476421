/** Turns a data set into the feeds of runs: as many samples at a time as the model's inputs allow. */
import { FewbitError } from '../../shared/errors.ts'
import { elementCount } from '../ir/tensor.ts'
import type { CalibrationBatches } from '../methods/method.ts'
import type { RunTensor, ValueInfo } from '../runtime/runtime.ts'
import type { Label } from '../verify/accuracy.ts'
import { type Dataset, holdsFeeds, readBatch } from './dataset.ts'

export interface Batch {
  feeds: Record<string, RunTensor>
  /** samples in it */
  count: number
  labels: Label[] | null
}

/** Samples [start, start + count) of a data set. */
export interface Samples {
  dataset: Dataset
  start: number
  count: number
}

const isFixed = (dim: unknown): dim is number => typeof dim === 'number' && dim >= 0

/** How many samples one run takes: any number up to `wished`, or what the model's fixed first dimension demands. */
export function batchSizeFor(inputs: readonly ValueInfo[], dataset: Dataset, wished: number): number {
  const joined = inputs.filter((input) => !holdsFeeds(dataset.arrays.get(input.name), input))
  if (joined.length < inputs.length) return 1
  const fixed = joined.map(({ shape }) => shape[0]).filter(isFixed)
  return fixed.length > 0 ? Math.max(...fixed) : wished
}

/** bytes of inputs in one run; what a network makes of them is a hundred times as much and more */
const BYTES_AT_ONCE = 2 ** 18

/** How many samples at most share a run: small ones gain from company, large ones only cost memory. */
export function comfortableBatch({ arrays, samples }: Dataset, inputs: readonly ValueInfo[], most: number): number {
  const read = samples > 0 ? inputs.flatMap(({ name }) => arrays.get(name) ?? []) : []
  const bytes = read.reduce((sum, { shape }) => sum + 4 * elementCount(shape.slice(1)), 0)
  return Math.max(1, Math.min(most, Math.floor(BYTES_AT_ONCE / Math.max(bytes, 1))))
}

/** Batches of whole runs; a last batch that would not fill a fixed batch size is left out. */
export async function* batchesOf(
  samples: Samples,
  inputs: readonly ValueInfo[],
  wished: number,
): AsyncGenerator<Batch> {
  const { dataset } = samples
  const size = batchSizeFor(inputs, dataset, wished)
  const flexible = size === wished
  const end = samples.start + samples.count
  for (let start = samples.start; start < end; start += size) {
    const count = Math.min(size, end - start)
    if (count < size && !flexible) return
    yield { feeds: readBatch(dataset, inputs, start, count), count, labels: labelsOf(dataset, start, count) }
  }
}

function labelsOf({ labels }: Dataset, start: number, count: number): Label[] | null {
  if (!labels) return null
  const width = labels.shape.length === 1 ? 1 : labels.shape.slice(1).reduce((a, b) => a * b, 1)
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: width }, (_, j) => labels.value((start + i) * width + j)),
  )
}

/** The same for calibration, whose length is known. */
export function calibrationBatches(samples: Samples, inputs: readonly ValueInfo[], most: number): CalibrationBatches {
  const wished = comfortableBatch(samples.dataset, inputs, most)
  const size = batchSizeFor(inputs, samples.dataset, wished)
  const length = size === wished ? Math.ceil(samples.count / size) : Math.floor(samples.count / size)
  if (length === 0) {
    throw new FewbitError(
      'dataset_mismatch',
      `The model takes batches of ${size} samples and only ${samples.count} are left for calibration.`,
      {
        param: '/calibration/dataset_id',
        stage: 'calibrate',
      },
    )
  }
  return {
    samples: Math.min(samples.count, length * size),
    length,
    async *[Symbol.asyncIterator]() {
      for await (const { feeds } of batchesOf(samples, inputs, wished)) yield feeds
    },
  }
}
