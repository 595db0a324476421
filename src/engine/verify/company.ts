/** What company does to a sample: the outputs of an artifact for samples alone, beside those for the same samples in one run. */
import type { Batch } from '../data/samples.ts'
import { feedsFor } from '../runtime/feeds.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'

/** The most by which a number of a sample changes; null where the runs cannot be cut into samples. */
export async function changeByCompany(session: Session, { feeds, size }: Batch): Promise<number | null> {
  if (Object.values(feeds).some(({ dims }) => dims[0] !== size)) return null
  const together = await session.run(feedsFor(session, feeds))
  let most: number | null = null
  for (let row = 0; row < size; row++) {
    const alone = await session.run(feedsFor(session, rowOf(feeds, row, size)))
    for (const [name, tensor] of Object.entries(rowOf(together, row, size)))
      most = larger(most, distance(tensor, alone[name]))
  }
  return most
}

function rowOf(tensors: Record<string, RunTensor>, row: number, size: number): Record<string, RunTensor> {
  const cut = ({ dtype, dims, data }: RunTensor): RunTensor => {
    const length = data.length / size
    return { dtype, dims: [1, ...dims.slice(1)], data: data.slice(row * length, (row + 1) * length) }
  }
  const rows = Object.entries(tensors).filter(([, { dims }]) => dims[0] === size)
  return Object.fromEntries(rows.map(([name, tensor]) => [name, cut(tensor)]))
}

/** Null for what is no float32, or has another shape. */
function distance({ data }: RunTensor, other: RunTensor | undefined): number | null {
  if (!(data instanceof Float32Array) || !(other?.data instanceof Float32Array)) return null
  const numbers = other.data
  if (numbers.length !== data.length) return null
  return data.reduce((most, x, i) => Math.max(most, Math.abs(x - (numbers[i] ?? x))), 0)
}

const larger = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b)
