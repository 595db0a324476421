/** Training data in any order: single samples are gathered into batches that lie in the same memory all the time. */
import { type Dataset, readBatch } from '../../data/dataset.ts'
import { batchSizeFor, type Samples } from '../../data/samples.ts'
import { randomSource } from '../../data/synthetic.ts'
import type { ElementArray, RunTensor, ValueInfo } from '../../runtime/runtime.ts'

export interface Gatherer {
  /** samples in one run */
  size: number
  /** the memory that `fill` writes to */
  feeds: Readonly<Record<string, RunTensor>>
  /** Reads these samples, `size` of them, by their position in the data set. */
  fill(indices: readonly number[]): void
}

/** A batch of `wished` samples, all of them the first until it is filled, or what the model's fixed first dimension or the data's layout demand. */
export function openGatherer(dataset: Dataset, inputs: readonly ValueInfo[], wished: number): Gatherer {
  const size = batchSizeFor(inputs, dataset, wished)
  const first = readBatch(dataset, inputs, 0, 1)
  const single = (name: string) => first[name]!
  const feeds = Object.fromEntries(
    inputs.map(({ name }) => {
      const { dtype, dims, data } = single(name)
      const make = data.constructor as new (length: number) => ElementArray
      return [name, { dtype, dims: size === 1 ? dims : [size, ...dims.slice(1)], data: new make(data.length * size) }]
    }),
  )
  const put = (row: number, sample: Readonly<Record<string, RunTensor>>) => {
    for (const { name } of inputs) {
      const { data } = sample[name]!
      ;(feeds[name]!.data as Float32Array).set(data as Float32Array, row * data.length)
    }
  }
  for (let row = 0; row < size; row++) put(row, first)
  return {
    size,
    feeds,
    fill: (indices) => {
      for (const [row, index] of indices.entries()) put(row, readBatch(dataset, inputs, index, 1))
    },
  }
}

/** The numbers 0 … count − 1 in an order that a seed decides. Source: Fisher and Yates. */
export function shuffled(items: readonly number[], seed: number): number[] {
  const random = randomSource(seed)
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** The samples of one step: every epoch goes through all of them in an order of its own, and what does not fill a batch waits for the next. */
export function createOrder({ start, count }: Samples, size: number, seed: number): (step: number) => number[] {
  const all = Array.from({ length: count }, (_, i) => start + i)
  const perEpoch = stepsPerEpoch(count, size)
  let epoch = -1
  let order: number[] = []
  return (step) => {
    const wanted = Math.floor(step / perEpoch)
    if (wanted !== epoch) {
      epoch = wanted
      order = shuffled(all, seed * EPOCHS_APART + epoch + 1)
    }
    const at = (step % perEpoch) * size
    return Array.from({ length: size }, (_, i) => order[(at + i) % order.length]!)
  }
}

const EPOCHS_APART = 1_000_003

export const stepsPerEpoch = (samples: number, size: number): number => Math.max(1, Math.floor(samples / size))
