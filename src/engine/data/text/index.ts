/** Text as a data set: tokenized once, and held as tokens. */
import type { DatasetSpec } from '../../../contract/recipe.ts'
import type { TextSpec } from '../../../contract/text.ts'
import type { Dataset, StoredArray } from '../dataset.ts'
import type { DatasetSummary } from '../inspect.ts'
import { readTextArchive, type TextArchive } from './archive.ts'
import { openEncoder } from './encode.ts'

const NO_TOKEN = -1

/** What the archive holds, without tokenizing. Throws dataset_*. */
export async function inspectText(path: string, spec: TextSpec): Promise<DatasetSummary> {
  const { lines } = await readTextArchive(path, spec)
  const samples = lines.length
  const shape = [samples, spec.max_length]
  return {
    samples,
    arrays: Object.values(spec.inputs).map((name) => ({ name, dtype: 'int64', shape: [...shape] })),
    labels: kindOf(lines, spec),
  }
}

function kindOf(lines: TextArchive['lines'], { labels, max_length }: TextSpec): DatasetSummary['labels'] {
  if (labels === 'next_token') return { dtype: 'int64', shape: [lines.length, max_length] }
  const all = lines.map(({ label }) => label)
  if (all.includes(null)) return null
  return { dtype: all.every(Number.isInteger) ? 'int64' : 'float64', shape: [lines.length] }
}

/** Tokenizes every line. Throws dataset_*. */
export async function openText(
  path: string,
  spec: DatasetSpec & { text: TextSpec },
  onDecoded?: (done: number, total: number) => void,
): Promise<Dataset> {
  const { text } = spec
  const archive = await readTextArchive(path, text)
  const table = await tokenize(archive, text, onDecoded)
  const { inputs, max_length: width } = text
  const samples = archive.lines.length
  const array = (values: Int32Array): StoredArray => ({
    dtype: 'int64',
    shape: [samples, width],
    slice: (start, count) =>
      new Uint8Array(BigInt64Array.from(values.subarray(start * width, (start + count) * width), BigInt).buffer),
  })
  const labels = labelsOf(archive, text, table.next)
  return {
    samples,
    arrays: new Map([
      [inputs.input_ids, array(table.ids)],
      [inputs.attention_mask, array(table.mask)],
      [inputs.token_type_ids, array(table.types)],
    ]),
    spec,
    close: () => {},
    ...(labels && { labels }),
  }
}

interface Table {
  ids: Int32Array
  mask: Int32Array
  types: Int32Array
  /** the token behind each */
  next: Int32Array
}

async function tokenize(
  { lines, tokenizer }: TextArchive,
  { max_length: width }: TextSpec,
  onDecoded?: (done: number, total: number) => void,
): Promise<Table> {
  const { encode, padding } = await openEncoder(tokenizer)
  const make = (fill: number) => new Int32Array(lines.length * width).fill(fill)
  const table: Table = { ids: make(padding), mask: make(0), types: make(0), next: make(NO_TOKEN) }
  for (const [i, line] of lines.entries()) {
    const { ids, types } = encode(line, width)
    table.ids.set(ids, i * width)
    table.types.set(types, i * width)
    table.mask.fill(1, i * width, i * width + ids.length)
    table.next.set(ids.slice(1), i * width)
    onDecoded?.(i + 1, lines.length)
  }
  return table
}

function labelsOf({ lines }: TextArchive, spec: TextSpec, next: Int32Array): Dataset['labels'] | null {
  const kind = kindOf(lines, spec)
  if (!kind) return null
  const value = (index: number) => (spec.labels === 'next_token' ? next[index] : lines[index]?.label) ?? NO_TOKEN
  return { dtype: kind.dtype as 'int64' | 'float64', shape: kind.shape, value }
}
