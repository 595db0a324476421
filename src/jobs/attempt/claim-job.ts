/** A worker takes a job: the attempt's number is its fencing token, older attempts can write no more. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { JobChange } from '../record/change-job.ts'
import { changeJob } from '../record/change-job.ts'
import type { JobRecord, JobStatus } from '../record/job.ts'
import type { StoredJob } from '../record/load-job.ts'
import { canceled, expired, failed } from '../record/transitions.ts'

/** The right to write to a job while its attempt is the latest. */
export interface Claim {
  jobId: string
  attempt: number
  job: JobRecord
}

type Decision = (job: StoredJob, sandbox: string) => JobChange | null

const MAX_LOST_ATTEMPTS = 5

const BY_STATUS: Record<JobStatus, Decision> = {
  queued: ({ record }, sandbox) => (isOverdue(record) ? overdue(record) : start(record, sandbox)),
  running: (job, sandbox) =>
    wentOn(job.record) || job.lostAttempts + 1 < MAX_LOST_ATTEMPTS ? startAgain(job, sandbox) : lost(job),
  canceling: canceled,
  succeeded: () => null,
  failed: () => null,
  canceled: () => null,
  expired: () => null,
}

/** Null when there is nothing left to do: finished, canceled, expired, or given up after too many lost attempts. */
export async function claimJob(deps: Deps, jobId: string, sandbox: string): Promise<Claim | null> {
  const job = await changeJob(deps, jobId, (stored) => BY_STATUS[stored.record.status](stored, sandbox))
  return job.status === 'running' ? { jobId, attempt: job.attempt, job } : null
}

export function isOverdue({ status, queued_at, limits }: Pick<JobRecord, 'status' | 'queued_at' | 'limits'>): boolean {
  return status === 'queued' && Date.now() > Date.parse(queued_at) + limits.max_queue_seconds * 1000
}

export function overdue({ limits }: JobRecord): JobChange {
  return expired(new FewbitError('queue_expired', `no worker was free within ${limits.max_queue_seconds} s`))
}

function start(record: JobRecord, sandbox: string): JobChange {
  const attempt = record.attempt + 1
  const started_at = record.started_at ?? new Date().toISOString()
  return {
    patch: { status: 'running', phase: 'starting', progress: null, started_at, attempt, sandbox, warnings: [] },
    event: { type: 'job.started', data: { status: 'running', attempt } },
  }
}

function startAgain({ record }: StoredJob, sandbox: string): JobChange {
  const { patch } = start(record, sandbox)
  const data = { status: 'running', attempt: record.attempt + 1, reason: 'the worker of the attempt before died' }
  return { patch, event: { type: 'job.retrying', data }, ...(!wentOn(record) && { counts: 'lost_attempts' }) }
}

/** An attempt that left a state of its training was worth it. */
const wentOn = ({ attempt, checkpoint }: JobRecord): boolean => checkpoint?.attempt === attempt

function lost({ lostAttempts }: StoredJob): JobChange {
  const detail = `${lostAttempts + 1} workers died while they ran this job`
  return { ...failed(new FewbitError('worker_lost', detail)), counts: 'lost_attempts' }
}
