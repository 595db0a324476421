/** Data sets made on the spot, as the bytes of .npz files. */

import { randomSource } from '../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'

/** `samples` × `shape` uniform numbers named `name`, with random labels when `classes` is given, and `more` arrays by shape. */
export function randomData(
  samples: number,
  shape: readonly number[],
  {
    name = 'x',
    classes = 0,
    seed = 7,
    more = {},
  }: { name?: string; classes?: number; seed?: number; more?: Record<string, readonly number[]> } = {},
): Buffer {
  const random = randomSource(seed)
  const arrayOf = (of: readonly number[]) => {
    const count = of.reduce((a, b) => a * b, samples)
    const data = Float32Array.from({ length: count }, () => random() * 2 - 1)
    return { dtype: 'float32' as const, shape: [samples, ...of], data }
  }
  const first = arrayOf(shape)
  const labels = BigInt64Array.from({ length: samples }, () => BigInt(Math.floor(random() * classes)))
  return encodeNpz({
    [name]: first,
    ...Object.fromEntries(Object.entries(more).map(([other, of]) => [other, arrayOf(of)])),
    ...(classes > 0 && { labels: { dtype: 'int64', shape: [samples], data: labels } }),
  })
}
