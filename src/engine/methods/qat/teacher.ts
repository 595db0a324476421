/** The teacher: outputs of the float model, kept per sample where they are small, computed again otherwise. */
import type { RunTensor, Session } from '../../runtime/runtime.ts'
import { numbers } from '../../verify/numbers.ts'
import type { Gatherer } from './samples.ts'

/** outputs of all samples that may be kept */
const MOST_KEPT_BYTES = 256 * 2 ** 20

export interface Teacher {
  /** Writes the outputs for these samples into the feeds by output. */
  teach(indices: readonly number[], feeds: ReadonlyMap<string, RunTensor>): Promise<void>
  release(): Promise<void>
}

interface TeacherInput {
  session: Session
  /** reads as many samples as the float model takes in one run */
  gatherer: Gatherer
  /** sizes of what is needed for all samples of a step, by output */
  outputs: ReadonlyMap<string, readonly number[]>
  /** the samples that will be asked for, if more than once */
  repeated: readonly number[] | null
  /** samples of a step */
  batch: number
  onBatch?: (done: number, total: number) => void
}

/** elements of one sample, by output */
type Widths = ReadonlyMap<string, number>

/** Runs over `repeated` once, in fixed batches, so that what is kept does not depend on when it is asked for. */
export async function openTeacher(input: TeacherInput): Promise<Teacher> {
  const { session, gatherer, outputs, repeated, batch } = input
  const fetch = [...outputs.keys()]
  const widths: Widths = new Map([...outputs].map(([name, dims]) => [name, sizeOf(dims) / batch]))
  const bytes = 4 * [...widths.values()].reduce((a, b) => a + b, 0) * (repeated?.length ?? 0)
  const separable = [...outputs.values()].every((dims) => dims[0] === batch)
  const kept = repeated && separable && bytes <= MOST_KEPT_BYTES ? await keep(input, widths) : null
  return {
    teach: async (indices, feeds) => {
      if (kept) {
        for (const [name, feed] of feeds) {
          const width = widths.get(name)!
          indices.forEach((index, row) => {
            ;(feed.data as Float32Array).set(kept.get(name)!.get(index)!, row * width)
          })
        }
        return
      }
      if (fetch.length === 0) return
      for (let start = 0; start < batch; start += gatherer.size) {
        gatherer.fill(indices.slice(start, start + gatherer.size))
        const results = await session.run(gatherer.feeds, fetch)
        for (const [name, feed] of feeds) {
          const part = numbers(results[name]!).subarray(0, (batch - start) * widths.get(name)!)
          ;(feed.data as Float32Array).set(part, start * widths.get(name)!)
        }
      }
    },
    release: () => session.release(),
  }
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)

async function keep(
  { session, gatherer, outputs, repeated, onBatch }: TeacherInput,
  widths: Widths,
): Promise<Map<string, Map<number, Float32Array>>> {
  const kept = new Map([...outputs.keys()].map((name) => [name, new Map<number, Float32Array>()]))
  const all = repeated ?? []
  if (outputs.size === 0) return kept
  for (let start = 0; start < all.length; start += gatherer.size) {
    const indices = Array.from({ length: gatherer.size }, (_, i) => all[(start + i) % all.length]!)
    gatherer.fill(indices)
    const results = await session.run(gatherer.feeds, [...outputs.keys()])
    for (const [name, samples] of kept) {
      const width = widths.get(name)!
      const data = numbers(results[name]!)
      indices.forEach((index, row) => {
        if (!samples.has(index)) samples.set(index, Float32Array.from(data.subarray(row * width, (row + 1) * width)))
      })
    }
    onBatch?.(Math.min(start + gatherer.size, all.length), all.length)
  }
  return kept
}
