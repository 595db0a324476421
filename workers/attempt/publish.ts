/** From a finished runner's files to a succeeded job. */
import { join } from 'node:path'
import { Recipe } from '../../src/contract/recipe.ts'
import type { Report } from '../../src/contract/report.ts'
import type { OutputFile } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import { holds } from '../../src/jobs/attempt/attempt.ts'
import { checkGoals } from '../../src/jobs/attempt/check-goals.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob, type Success } from '../../src/jobs/attempt/finish-job.ts'
import { dropBest } from '../../src/jobs/attempt/keep-rung.ts'
import { loadJob } from '../../src/jobs/record/load-job.ts'
import type { Limits } from '../process/limits.ts'
import { type ArtifactFile, letGo, nameArtifact, readReport, storeExtra, storeOutput } from './collect.ts'
import { CHECKPOINT } from './inputs.ts'

const CHECKPOINT_FILE: OutputFile = { name: 'checkpoint', content_type: 'application/octet-stream' }

/** What is published under which ids: the same ones however often it is tried. */
export interface Publication {
  directory: string
  files: readonly ArtifactFile[]
  checkpoint: ArtifactFile
  limits: Limits
}

export function openPublication(directory: string, files: readonly OutputFile[], limits: Limits): Publication {
  return { directory, files: files.map(nameArtifact), checkpoint: nameArtifact(CHECKPOINT_FILE), limits }
}

/**
 * Stores the files and finishes the job, unless that has happened or another attempt has the job. May be repeated after any error.
 * Throws quantization_failed, output_limit, and faults of Redis, the store or the disk.
 */
export async function publish(deps: Deps, claim: Claim, publication: Publication): Promise<void> {
  const found = await loadJob(deps, claim.jobId)
  if (!found || !holds(claim, found.record)) return
  const success = await successOf(deps, claim, publication)
  if (!(await finishJob(deps, claim, success))) return letGo(deps, success.artifacts)
  const job = (await loadJob(deps, claim.jobId))?.record
  if (job) await dropBest(deps, job)
}

async function successOf(
  deps: Deps,
  { jobId, job }: Claim,
  { directory, files, checkpoint, limits }: Publication,
): Promise<Success> {
  const output = join(directory, 'out')
  const report = await readReport(output)
  const artifacts = await storeOutput(deps, { jobId, directory: output, files, limits })
  const extra = await storeExtra(deps, { jobId, directory, files, limits }, checkpoint, CHECKPOINT)
  if (extra) artifacts.push(extra)
  const warnings = [...report.warnings, ...checkGoals(job.request.goals, report.metrics)]
  return { status: 'succeeded', artifacts, metrics: report.metrics, options: resolve(job.options, report), warnings }
}

/** What the engine resolved, where it fits the recipe's shape. */
function resolve(options: Recipe, { options: found, auto }: Report): Recipe {
  const resolved = { ...found, ...(found.method as object | undefined) }
  const taken = auto?.rungs[auto.taken]?.options ?? options.method
  const method = { ...taken, ...pick(resolved, Object.keys(taken)) }
  const merged = Recipe.safeParse({ ...options, method })
  return merged.success ? merged.data : options
}

function pick(from: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name) && name !== 'type'))
}
