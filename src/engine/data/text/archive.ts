/** A .zip of text: one file of lines, and the tokenizer that they go through. */
import type { TextSpec } from '../../../contract/text.ts'
import { openZip, type Packed, unusable } from '../zip.ts'
import { type Line, readLines } from './lines.ts'

const MOST_TEXT_BYTES = 256 * 1024 ** 2
const MOST_TOKENIZER_BYTES = 64 * 1024 ** 2
/** text packs well */
const MOST_RATIO = 1000
/** of all samples together */
const MOST_TOKENS = 2 ** 27

export interface TextArchive {
  lines: Line[]
  /** contents of tokenizer.json and tokenizer_config.json; null where the lines hold tokens */
  tokenizer: { tokenizer: object; config: object } | null
}

/** Reads lines and tokenizer; neither is used yet. Throws dataset_*. */
export async function readTextArchive(path: string, spec: TextSpec): Promise<TextArchive> {
  const { files, close } = await openZip(path, MOST_RATIO)
  try {
    const tables = files.filter(({ name }) => /\.(jsonl|ndjson)$/i.test(name))
    const [table] = tables
    if (!table || tables.length > 1)
      throw unusable(
        `the archive holds ${tables.length} files of lines`,
        'put one .jsonl into it, beside the tokenizer.json',
      )
    const lines = readLines(table.name.slice(0, 200), (await table.read(MOST_TEXT_BYTES)).toString('utf8'), spec)
    if (lines.length * spec.max_length > MOST_TOKENS)
      throw unusable(`${lines.length} samples of ${spec.max_length} tokens are more than ${MOST_TOKENS} tokens`)
    return { lines, tokenizer: lines.some(({ text }) => text !== null) ? await tokenizerIn(files) : null }
  } finally {
    close()
  }
}

async function tokenizerIn(files: readonly Packed[]): Promise<{ tokenizer: object; config: object }> {
  const find = (wanted: string) => files.find(({ name }) => name === wanted || name.endsWith(`/${wanted}`))
  const tokenizer = find('tokenizer.json')
  if (!tokenizer)
    throw unusable(
      'the archive holds no tokenizer.json',
      'put the tokenizer.json of the model beside the lines, or lines with input_ids',
    )
  const config = find('tokenizer_config.json')
  return { tokenizer: await objectIn(tokenizer), config: config ? await objectIn(config) : {} }
}

async function objectIn({ name, read }: Packed): Promise<object> {
  const content = await read(MOST_TOKENIZER_BYTES)
  try {
    const value: unknown = JSON.parse(content.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // said below
  }
  throw unusable(`"${name.slice(0, 200)}" is no JSON object`)
}
