/** Passes a runner's progress and warnings on to the job: the latest progress a few times a second, every warning. */
import type { Deps } from '../src/deps.ts'
import { addWarning } from '../src/jobs/add-warning.ts'
import type { Claim } from '../src/jobs/claim-job.ts'
import { type PhaseProgress, reportProgress } from '../src/jobs/report-progress.ts'
import { messageOf } from '../src/shared/errors.ts'
import type { Message } from './messages.ts'

export interface Forwarder {
  take(message: Message): void
  /** Writes what is left and stops. */
  close(): Promise<void>
}

const INTERVAL_MS = 250
const MAX_WARNINGS = 100

export function openForwarder(deps: Deps, claim: Claim): Forwarder {
  let progress: PhaseProgress | null = null
  let warned = 0
  const warnings: { code: string; detail: string }[] = []
  let writing: Promise<void> = Promise.resolve()
  const write = async () => {
    const latest = progress
    progress = null
    for (const warning of warnings.splice(0)) await addWarning(deps, claim, warning)
    if (latest) await reportProgress(deps, claim, latest)
  }
  const pump = () => {
    writing = writing
      .then(write)
      .catch((error) => deps.log.warn({ reason: messageOf(error) }, 'progress was not written'))
    return writing
  }
  const timer = setInterval(pump, INTERVAL_MS)
  return {
    take(message) {
      if (message.type === 'progress') progress = progressOf(message)
      if (message.type === 'warning' && warned++ < MAX_WARNINGS)
        warnings.push({ code: message.code, detail: message.detail })
    },
    close() {
      clearInterval(timer)
      return pump()
    },
  }
}

function progressOf({ type: _, ...progress }: Extract<Message, { type: 'progress' }>): PhaseProgress {
  return progress
}
