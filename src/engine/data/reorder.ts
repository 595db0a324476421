/** A data set whose samples come in another order; nothing is read before it is asked for. */
import type { Dataset, StoredArray } from './dataset.ts'

/** `order[i]` is the sample that becomes number i. */
export function reordered(dataset: Dataset, order: readonly number[]): Dataset {
  const { arrays, labels } = dataset
  const width = labels?.shape.slice(1).reduce((a, b) => a * b, 1) ?? 1
  return {
    ...dataset,
    samples: order.length,
    close: dataset.close,
    arrays: new Map([...arrays].map(([name, array]) => [name, reorderedArray(array, order)])),
    ...(labels && {
      labels: {
        dtype: labels.dtype,
        shape: [order.length, ...labels.shape.slice(1)],
        value: (index: number) => labels.value(order[Math.floor(index / width)]! * width + (index % width)),
      },
    }),
  }
}

function reorderedArray({ dtype, shape, slice }: StoredArray, order: readonly number[]): StoredArray {
  return {
    dtype,
    shape: [order.length, ...shape.slice(1)],
    slice: (start, count) => {
      const rows = order.slice(start, start + count).map((index) => slice(index, 1))
      return rows.length === 1 ? rows[0]! : new Uint8Array(Buffer.concat(rows))
    },
  }
}
