/** Lines of JSON: a text, or tokens, and perhaps a label each. */
import type { TextSpec } from '../../../contract/text.ts'
import { FewbitError } from '../../../shared/errors.ts'
import { unusable } from '../zip.ts'

export interface Line {
  /** null where the tokens are there */
  text: string | null
  pair: string | null
  tokens: number[] | null
  label: number | null
}

const MOST_CHARACTERS = 1_000_000

/** Every line that is not empty. Throws dataset_array_invalid and dataset_labels_invalid, which name the line. */
export function readLines(file: string, content: string, { fields }: TextSpec): Line[] {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/)
  const found = lines.flatMap((line, i) =>
    line.trim() === '' ? [] : [readLine(line, `line ${i + 1} of "${file}"`, fields)],
  )
  if (found.length === 0) throw unusable(`"${file}" has no lines`)
  requireAllOrNone(file, found)
  return found
}

function readLine(line: string, where: string, fields: TextSpec['fields']): Line {
  const object = parsed(line, where)
  const textAt = (name: string): string | null => {
    const value = object[name]
    if (value === undefined || value === null) return null
    if (typeof value === 'string' && value.length <= MOST_CHARACTERS) return value
    throw unusable(`${where}: "${name}" is no text of at most ${MOST_CHARACTERS} characters`)
  }
  const tokens = tokensOf(object.input_ids, where)
  const text = tokens ? null : textAt(fields.text)
  if (!tokens && text === null)
    throw unusable(
      `${where} has no "${fields.text}"`,
      `it has ${Object.keys(object).slice(0, 10).join(', ')}; name the field of the text in the spec: {"text": {"fields": {"text": ...}}}`,
    )
  return { text, pair: tokens ? null : textAt(fields.pair), tokens, label: labelOf(object[fields.label], where) }
}

function parsed(line: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // said below
  }
  throw unusable(`${where} is no JSON object`, 'write one object per line: {"text": "...", "label": 1}')
}

function tokensOf(value: unknown, where: string): number[] | null {
  if (value === undefined) return null
  if (Array.isArray(value) && value.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31)) return value
  throw unusable(`${where}: "input_ids" is no list of tokens`)
}

function labelOf(value: unknown, where: string): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new FewbitError('dataset_labels_invalid', `${where}: the label is ${JSON.stringify(value).slice(0, 40)}`, {
    hint: 'labels are numbers: classes from 0, or figures',
  })
}

function requireAllOrNone(file: string, lines: readonly Line[]): void {
  const without = lines.filter(({ label }) => label === null).length
  if (without === 0 || without === lines.length) return
  throw new FewbitError('dataset_labels_invalid', `${without} of ${lines.length} lines of "${file}" have no label`)
}
