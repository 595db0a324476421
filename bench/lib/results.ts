/** Where benches keep what they measured. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const BENCH = join(ROOT, 'bench')

/** Writes a page of bench/results. */
export const writeResult = (name: string, text: string): void => writeFileSync(join(BENCH, 'results', name), text)

/** Writes a page of the documentation that consists of what was measured. */
export const writePage = (name: string, text: string): void => writeFileSync(join(ROOT, 'docs', name), text)

const cacheOf = (name: string): string => join(BENCH, '.cache', name)

/** What an earlier run of a long bench kept, which is not under version control. */
export const readKept = <T>(name: string, empty: T): T =>
  existsSync(cacheOf(name)) ? (JSON.parse(readFileSync(cacheOf(name), 'utf8')) as T) : empty

export function keep(name: string, value: unknown): void {
  mkdirSync(join(BENCH, '.cache'), { recursive: true })
  writeFileSync(cacheOf(name), `${JSON.stringify(value, null, 1)}\n`)
}
