/** Data sets made on the spot, as the bytes of .npz files. */
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { randomSource } from '../../src/engine/synthetic.ts'

/** `samples` × `shape` uniform numbers named `name`, with random labels when `classes` is given. */
export function randomData(
  samples: number,
  shape: readonly number[],
  { name = 'x', classes = 0, seed = 7 }: { name?: string; classes?: number; seed?: number } = {},
): Buffer {
  const random = randomSource(seed)
  const count = shape.reduce((a, b) => a * b, samples)
  const data = Float32Array.from({ length: count }, () => random() * 2 - 1)
  const labels = BigInt64Array.from({ length: samples }, () => BigInt(Math.floor(random() * classes)))
  return encodeNpz({
    [name]: { dtype: 'float32', shape: [samples, ...shape], data },
    ...(classes > 0 && { labels: { dtype: 'int64', shape: [samples], data: labels } }),
  })
}
