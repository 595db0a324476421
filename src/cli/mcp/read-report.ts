/** A report that a quantization wrote, section by section. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Report } from '../../contract/report.ts'
import { FewbitError } from '../../shared/errors.ts'

const SECTIONS = Report.keyof().options
type Section = (typeof SECTIONS)[number]

export const ReadReport = z.object({
  path: z.string().min(1).max(4096).describe('the directory that quantize_model wrote, or its report.json'),
  section: z.enum(SECTIONS).default('metrics').describe('sensitivity lists layers, the least faithful first'),
  offset: z.number().int().nonnegative().default(0).describe('of a section that is a list: begin here'),
})

const PAGE = 100
const MOST_BYTES = 64 << 20

/** Throws not_found and invalid_request. */
export function readReport(given: string, section: Section, offset: number): Record<string, unknown> {
  const path = statSync(given, { throwIfNoEntry: false })?.isDirectory() ? join(given, 'report.json') : given
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats?.isFile()) throw new FewbitError('not_found', `there is no report at ${given}`)
  if (stats.size > MOST_BYTES) throw new FewbitError('invalid_request', `${path} is too large for a report`)
  const report = Report.safeParse(jsonOf(path))
  if (!report.success) throw new FewbitError('invalid_request', `${path} is not a report of Fewbit`)
  const found: unknown = report.data[section]
  if (!Array.isArray(found)) return { [section]: found }
  return { [section]: found.slice(offset, offset + PAGE), offset, count: found.length }
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null
  }
}
