/** From a finished runner's files to a succeeded job. */
import { join } from 'node:path'
import { Recipe } from '../../src/contract/recipe.ts'
import type { Report } from '../../src/contract/report.ts'
import type { OutputFile } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import { checkGoals } from '../../src/jobs/attempt/check-goals.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import type { Success } from '../../src/jobs/attempt/finish-job.ts'
import type { Limits } from '../process/limits.ts'
import { readReport, storeExtra, storeOutput } from './collect.ts'
import { CHECKPOINT } from './inputs.ts'

const CHECKPOINT_FILE: OutputFile = { name: 'checkpoint', content_type: 'application/octet-stream' }

interface Finished {
  directory: string
  files: readonly OutputFile[]
  limits: Limits
}

/** Stores the files and says what the job becomes. Throws quantization_failed, output_limit, insufficient_storage. */
export async function successOf(
  deps: Deps,
  { jobId, job }: Claim,
  { directory, files, limits }: Finished,
): Promise<Success> {
  const output = join(directory, 'out')
  const report = await readReport(output)
  const artifacts = await storeOutput(deps, { jobId, directory: output, files, limits })
  const checkpoint = await storeExtra(deps, { jobId, directory, files, limits }, CHECKPOINT_FILE, CHECKPOINT)
  if (checkpoint) artifacts.push(checkpoint)
  const warnings = [...report.warnings, ...checkGoals(job.request.goals, report.metrics)]
  return { status: 'succeeded', artifacts, metrics: report.metrics, options: resolve(job.options, report), warnings }
}

/** What the engine resolved, where it fits the recipe's shape. */
function resolve(options: Recipe, { options: resolved }: Report): Recipe {
  const method = { ...options.method, ...pick(resolved, Object.keys(options.method)) }
  const merged = Recipe.safeParse({ ...options, method })
  return merged.success ? merged.data : options
}

function pick(from: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name) && name !== 'type'))
}
