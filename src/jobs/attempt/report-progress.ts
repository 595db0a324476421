/** Forwards an attempt's progress to the record and, at each per cent and phase, to the events. */
import type { Deps } from '../../deps.ts'
import type { JobChange } from '../record/change-job.ts'
import type { JobRecord, Progress } from '../record/job.ts'
import { changeAttempt } from './attempt.ts'
import type { Claim } from './claim-job.ts'

export interface PhaseProgress extends Progress {
  phase: string
}

const EVENT_STEP = 0.01

/** The fraction never falls. `isNews`: an event besides those that it makes anyway. */
export async function reportProgress(deps: Deps, claim: Claim, progress: PhaseProgress, isNews = false): Promise<void> {
  await changeAttempt(deps, claim, (job) => changeOf(job, progress, isNews))
}

function changeOf(job: JobRecord, { phase, ...said }: PhaseProgress, asked: boolean): JobChange {
  const before = job.progress?.fraction ?? 0
  const progress = { ...said, fraction: Math.max(before, said.fraction) }
  const isNews = asked || phase !== job.phase || said.fraction === 1 || said.fraction - before >= EVENT_STEP
  const event = { type: 'job.progress' as const, data: { phase, ...progress } }
  return { patch: { phase, progress }, ...(isNews && { event }) }
}
