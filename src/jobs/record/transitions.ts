/** The ends of a job, as changes of its record. */
import type { FewbitError } from '../../shared/errors.ts'
import type { JobChange } from './change-job.ts'
import type { JobError } from './job.ts'

const now = (): string => new Date().toISOString()

export function canceled() {
  const finished_at = now()
  return {
    patch: { status: 'canceled' as const, phase: null, finished_at },
    event: { type: 'job.canceled' as const, data: { status: 'canceled' } },
  } satisfies JobChange
}

export function failed(cause: FewbitError): JobChange {
  const error = jobErrorOf(cause)
  return {
    patch: { status: 'failed', error, finished_at: now() },
    event: { type: 'job.failed', data: { status: 'failed', error } },
  }
}

export function expired(cause: FewbitError): JobChange {
  const error = jobErrorOf(cause)
  return {
    patch: { status: 'expired', phase: null, error, finished_at: now() },
    event: { type: 'job.expired', data: { status: 'expired', error } },
  }
}

function jobErrorOf({ code, message, retryable, extra }: FewbitError): JobError {
  const { stage = null, param = null, hint = null } = extra
  return { code, stage, detail: message, param, retryable, hint }
}
