/** Golden vectors that lie beside the project on its developers' machines; tests that need them skip elsewhere. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const ROOT = join(process.cwd(), '..', 'shared')

/** The path of a shared file, or null when there is none here. */
export function sharedFile(...parts: string[]): string | null {
  const path = join(ROOT, ...parts)
  return existsSync(path) ? path : null
}

type Row = Record<string, unknown>

/** The rows of a `{columns, rows}` table as objects. */
export const rowsOf = ({ columns, rows }: { columns: string[]; rows: unknown[][] }): Row[] =>
  rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])))

/** A JSON file, perhaps gzipped. */
export function readGolden<T = Record<string, never>>(path: string): T {
  const bytes = readFileSync(path)
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as T
}

/** "NaN", "Infinity" and "-Infinity" are written as strings. */
export const numbersOf = (values: readonly (number | string)[]): Float32Array => Float32Array.from(values, Number)
