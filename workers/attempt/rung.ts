/** Takes the best artifact so far of the method auto into the store, while its runner climbs on. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BEST_DIRECTORY, type OutputFile, type RunnerMessage } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { keepRung } from '../../src/jobs/attempt/keep-rung.ts'
import type { ArtifactSummary, JobRecord } from '../../src/jobs/record/job.ts'
import type { Limits } from '../process/limits.ts'
import { letGo, nameArtifact, storeOutput } from './collect.ts'

const FILES: readonly OutputFile[] = [
  { name: 'model.onnx', content_type: 'application/octet-stream' },
  { name: 'model.onnx.data', content_type: 'application/octet-stream' },
  { name: 'report.json', content_type: 'application/json' },
  { name: 'report.html', content_type: 'text/html; charset=utf-8' },
  { name: 'plan.json', content_type: 'application/json' },
]

export type RungMessage = Extract<RunnerMessage, { type: 'rung' }>

/** The runner replaces the directory, never a file in it, so that an open one does not change. */
export async function storeRung(
  deps: Deps,
  claim: Claim,
  { directory, limits }: { directory: string; limits: Limits },
  { rung, best }: RungMessage,
): Promise<void> {
  // what meets the goals is published in a moment
  const stored =
    best && rung.meets_goals !== true
      ? await storeBest(deps, claim.jobId, join(directory, BEST_DIRECTORY), limits)
      : null
  if (!(await keepRung(deps, claim, rung, stored)) && stored) await letGo(deps, stored)
}

const storeBest = (deps: Deps, jobId: string, directory: string, limits: Limits): Promise<ArtifactSummary[]> => {
  const files = FILES.filter(({ name }) => existsSync(join(directory, name))).map(nameArtifact)
  return storeOutput(deps, { jobId, directory, files, limits })
}

/** What an attempt before has reached, for one that goes on. */
export async function placeBest({ store }: Deps, { best_so_far }: JobRecord, directory: string): Promise<void> {
  if (best_so_far.length === 0) return
  const place = join(directory, BEST_DIRECTORY)
  await mkdir(place)
  for (const { name, sha256 } of best_so_far) await store.copyTo(sha256, join(place, name))
}
