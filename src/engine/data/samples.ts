/** Turns a data set into the feeds of runs: as many samples at a time as the model's inputs allow. */
import { FewbitError } from '../../shared/errors.ts'
import { elementCount } from '../ir/tensor.ts'
import type { RunTensor, ValueInfo } from '../runtime/runtime.ts'
import type { Label } from '../verify/metrics/metric.ts'
import type { CalibrationBatches } from './batches.ts'
import { type Dataset, holdsFeeds, readBatch } from './dataset.ts'
import { reordered } from './reorder.ts'

export interface Batch {
  feeds: Record<string, RunTensor>
  /** samples in it that count */
  count: number
  /** samples in it */
  size: number
  labels: Label[] | null
}

/** Samples [start, start + count) of a data set. */
export interface Samples {
  dataset: Dataset
  start: number
  count: number
}

const isFixed = (dim: unknown): dim is number => typeof dim === 'number' && dim > 0

/** How many samples one run takes: `wished`, or what the model's fixed first dimension demands. Throws dataset_mismatch where two inputs demand different numbers. */
export function batchSizeFor(inputs: readonly ValueInfo[], dataset: Dataset, wished: number): number {
  const joined = inputs.filter((input) => !holdsFeeds(dataset.arrays.get(input.name), input))
  if (joined.length < inputs.length) return 1
  const fixed = joined.filter(({ shape }) => isFixed(shape[0]))
  const [first] = fixed
  const other = fixed.find(({ shape }) => shape[0] !== first!.shape[0])
  if (first && other) throw contradiction(first, other)
  return first ? (first.shape[0] as number) : wished
}

const contradiction = (a: ValueInfo, b: ValueInfo): FewbitError =>
  new FewbitError(
    'dataset_mismatch',
    `one run takes ${a.shape[0]} samples of input "${a.name}" and ${b.shape[0]} of input "${b.name}"`,
    {
      hint: 'give arrays one axis more than the inputs have, [samples, ...shape of the input]: then each sample is a complete feed',
    },
  )

/** bytes of inputs in one run; what a network makes of them is a hundred times as much and more */
const BYTES_AT_ONCE = 2 ** 18

/** How many samples at most share a run: small ones gain from company, large ones only cost memory. */
export function comfortableBatch({ arrays, samples }: Dataset, inputs: readonly ValueInfo[], most: number): number {
  const read = samples > 0 ? inputs.flatMap(({ name }) => arrays.get(name) ?? []) : []
  const bytes = read.reduce((sum, { shape }) => sum + 4 * elementCount(shape.slice(1)), 0)
  return Math.max(1, Math.min(most, Math.floor(BYTES_AT_ONCE / Math.max(bytes, 1))))
}

/** Batches of whole runs; what does not fill a fixed batch size is filled up with samples from the start again, which do not count. */
export async function* batchesOf(
  samples: Samples,
  inputs: readonly ValueInfo[],
  wished: number,
): AsyncGenerator<Batch> {
  const { dataset, start: first, count: total } = samples
  const size = batchSizeFor(inputs, dataset, wished)
  const isFixedSize = batchSizeFor(inputs, dataset, size + 1) === size
  for (let start = first; start < first + total; start += size) {
    const count = Math.min(size, first + total - start)
    const labels = labelsOf(dataset, start, count)
    if (count === size || !isFixedSize)
      yield { feeds: readBatch(dataset, inputs, start, count), count, size: count, labels }
    else yield { feeds: filledUp(samples, inputs, start, size), count, size, labels }
  }
}

function filledUp(
  { dataset, start: first, count }: Samples,
  inputs: readonly ValueInfo[],
  start: number,
  size: number,
) {
  const indices = Array.from({ length: size }, (_, i) => first + ((start - first + i) % count))
  return readBatch(reordered(dataset, indices), inputs, 0, size)
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
  return {
    samples: samples.count,
    length: Math.ceil(samples.count / batchSizeFor(inputs, samples.dataset, wished)),
    async *[Symbol.asyncIterator]() {
      for await (const { feeds } of batchesOf(samples, inputs, wished)) yield feeds
    },
    only: (indices) => calibrationBatches(chosen(samples, indices), inputs, most),
  }
}

/** Some of the samples, by their position among them; nothing is read before it is asked for. */
export function chosen({ dataset, start }: Samples, indices: readonly number[]): Samples {
  const order = indices.map((index) => start + index)
  return { dataset: reordered(dataset, order), start: 0, count: order.length }
}
