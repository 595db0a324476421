/** Made-up inputs for models that came without data: they prove that the artifact runs, not that it is accurate. */
import { FewbitError } from '../../shared/errors.ts'
import type { RunTensor, Session, ValueInfo } from '../runtime/runtime.ts'
import type { CalibrationBatches } from './batches.ts'

/** Sizes that are tried for dimensions that the model leaves open. */
const OPEN_SIZES = [16, 32, 48, 64, 128, 224, 8, 4, 2, 1]

/** Uniform numbers in [0, 1). Source: mulberry32. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Feeds on which the session runs, or null when none were found. Throws out_of_memory. */
export async function findFeeds(session: Session, seed: number): Promise<Record<string, RunTensor> | null> {
  for (const open of OPEN_SIZES) {
    const feeds = feedsFor(session.inputs, open, seed)
    if (!feeds) return null
    const ran = await session.run(feeds).then(
      () => true,
      (error: unknown) => {
        if (error instanceof FewbitError && error.code === 'out_of_memory') throw error
        return false
      },
    )
    if (ran) return feeds
  }
  return null
}

function feedsFor(inputs: readonly ValueInfo[], open: number, seed: number): Record<string, RunTensor> | null {
  const random = randomSource(seed)
  const feeds = inputs.map((input) => [input.name, tensorFor(input, open, random)] as const)
  return feeds.every(([, tensor]) => tensor !== null) ? (Object.fromEntries(feeds) as Record<string, RunTensor>) : null
}

const MAKERS: Partial<Record<string, (count: number, random: () => number) => RunTensor['data']>> = {
  float32: (count, random) => Float32Array.from({ length: count }, () => random() * 2 - 1),
  float64: (count, random) => Float64Array.from({ length: count }, () => random() * 2 - 1),
  float16: (count) => new Uint16Array(count).fill(0x3800),
  int64: (count) => new BigInt64Array(count).fill(1n),
  int32: (count) => new Int32Array(count).fill(1),
  uint8: (count) => new Uint8Array(count).fill(1),
  int8: (count) => new Int8Array(count).fill(1),
  bool: (count) => new Uint8Array(count).fill(1),
  string: (count) => new Array(count).fill('a'),
}

function tensorFor({ dtype, shape }: ValueInfo, open: number, random: () => number): RunTensor | null {
  const make = dtype && MAKERS[dtype]
  if (!make || !dtype) return null
  const dims = shape.map((dim, index) => (typeof dim === 'number' ? dim : index === 0 ? 1 : open))
  const count = dims.reduce((a, b) => a * b, 1)
  return count > 2 ** 28 ? null : { dtype, dims, data: make(count, random) }
}

/** Made-up calibration data: `count` runs of uniform numbers in the shapes of `feeds`. */
export const syntheticBatches = (
  feeds: Readonly<Record<string, RunTensor>>,
  seed: number,
  count: number,
): CalibrationBatches =>
  runsFrom(
    Array.from({ length: count }, (_, i) => seed + 1 + i),
    feeds,
  )

/** One run per seed. */
const runsFrom = (seeds: readonly number[], feeds: Readonly<Record<string, RunTensor>>): CalibrationBatches => ({
  samples: seeds.length,
  length: seeds.length,
  async *[Symbol.asyncIterator]() {
    for (const seed of seeds) {
      const random = randomSource(seed)
      yield Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, refilled(tensor, random)]))
    }
  },
  only: (indices) =>
    runsFrom(
      indices.map((index) => seeds[index]!),
      feeds,
    ),
})

const refilled = (tensor: RunTensor, random: () => number): RunTensor => ({
  ...tensor,
  data: MAKERS[tensor.dtype]?.(tensor.data.length, random) ?? tensor.data,
})
