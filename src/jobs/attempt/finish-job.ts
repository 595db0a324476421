/** Publishes an attempt's end: state, artifacts, event and webhook intent in one write, fenced by the attempt's number. */

import { keepsBest } from '../../contract/method-facts.ts'
import type { Recipe } from '../../contract/recipe.ts'
import type { Metrics, Warning } from '../../contract/report.ts'
import type { Deps } from '../../deps.ts'
import type { FewbitError } from '../../shared/errors.ts'
import type { JobChange } from '../record/change-job.ts'
import type { ArtifactSummary, JobRecord } from '../record/job.ts'
import { canceled, failed } from '../record/transitions.ts'
import { changeAttempt } from './attempt.ts'
import type { Claim } from './claim-job.ts'

export interface Success {
  status: 'succeeded'
  artifacts: ArtifactSummary[]
  metrics: Metrics | null
  options: Recipe
  /** beyond those that were reported on the way */
  warnings: Warning[]
}

export type Outcome = Success | { status: 'failed'; error: FewbitError } | { status: 'canceled' }

/**
 * False: a newer attempt has the job, or it was finished by other means; nothing was written. Safe to repeat when the answer was
 * lost. A job that is being canceled ends canceled, whatever the outcome; a training then keeps what it had reached.
 */
export async function finishJob(deps: Deps, claim: Claim, outcome: Outcome): Promise<boolean> {
  const job = await changeAttempt(deps, claim, (record) =>
    record.status === 'canceling' ? canceledWith(record, outcome) : changeOf(record, outcome),
  )
  return job.attempt === claim.attempt && (job.status === outcome.status || keeps(job, outcome))
}

function changeOf(job: JobRecord, outcome: Outcome): JobChange {
  if (outcome.status === 'failed') return failed(outcome.error)
  return outcome.status === 'canceled' ? canceled() : succeeded(job, outcome)
}

/** Whether the outcome's artifacts are published although the job did not succeed. */
const keeps = (job: JobRecord, outcome: Outcome): boolean =>
  outcome.status === 'succeeded' && outcome.artifacts.every(({ id }) => job.artifacts.some((one) => one.id === id))

function canceledWith(job: JobRecord, outcome: Outcome): JobChange {
  const end = canceled()
  if (outcome.status !== 'succeeded' || !keepsBest(job.options.method)) return end
  const { patch, artifacts, event } = succeeded(job, outcome)
  return {
    artifacts,
    patch: { ...patch, ...end.patch },
    event: { ...end.event, data: { ...event.data, status: 'canceled' } },
  }
}

function succeeded(job: JobRecord, { artifacts, metrics, options, warnings }: Success) {
  const data = { status: 'succeeded', metrics, artifacts: artifacts.map(({ id, name }) => ({ id, name })) }
  const progress = { step: 1, total_steps: 1, message: '', ...job.progress, fraction: 1 }
  const finished_at = new Date().toISOString()
  const all = [...job.warnings, ...warnings.filter((one) => !job.warnings.some((other) => isSame(one, other)))]
  const patch = {
    status: 'succeeded' as const,
    phase: null,
    progress,
    finished_at,
    artifacts,
    metrics,
    options,
    warnings: all,
  }
  return { patch, artifacts, event: { type: 'job.succeeded' as const, data } }
}

const isSame = (a: Warning, b: Warning): boolean => a.code === b.code && a.detail === b.detail
