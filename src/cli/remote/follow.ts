/** A job to its end, through restarts of the service and of what lies between. */
import { setTimeout as delay } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { z } from 'zod'
import type { ProgressView } from '../progress.ts'
import { hasEnded, jobPath, RemoteJob } from './job.ts'
import { ask, askJson, isAway } from './request.ts'
import type { Access } from './settings.ts'

const Said = z.looseObject({
  type: z.string(),
  data: z.looseObject({
    phase: z.string().optional(),
    fraction: z.number().optional(),
    message: z.string().optional(),
  }),
})

/** so often in a row nobody may answer */
const MOST_FAILURES = 30
const DELAY_MS = 2_000

/** The job as it ended. Throws not_found, unavailable, and what `signal` aborts with. */
export async function follow(access: Access, id: string, view: ProgressView, signal: AbortSignal): Promise<RemoteJob> {
  const seen: { id?: string } = {}
  for (let failures = 0; ; )
    try {
      await readEvents(access, id, seen, view, signal)
      const job = await askJson(access, jobPath(id), RemoteJob, { signal })
      if (hasEnded(job)) return job
      failures = 0
      await delay(DELAY_MS, null, { signal })
    } catch (error) {
      if (signal.aborted || !isLost(error) || ++failures > MOST_FAILURES) throw error
      await delay(DELAY_MS, null, { signal })
    }
}

/** fetch says `terminated` where a stream breaks. */
const isLost = (error: unknown): boolean => isAway(error) || error instanceof TypeError

async function readEvents(
  access: Access,
  id: string,
  seen: { id?: string },
  view: ProgressView,
  signal: AbortSignal,
): Promise<void> {
  const headers = { accept: 'text/event-stream', ...(seen.id && { 'last-event-id': seen.id }) }
  const { body } = await ask(access, `${jobPath(id)}/events`, { headers, signal })
  if (!body) return
  for await (const event of body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) {
    seen.id = event.id ?? seen.id
    show(event.data, view)
  }
}

function show(text: string, view: ProgressView): void {
  const { type, data } = Said.parse(JSON.parse(text))
  if (type === 'job.queued')
    view.take({ type: 'progress', phase: 'queued', fraction: 0, message: 'waiting for a worker' })
  if (type !== 'job.progress') return
  const { phase = 'running', fraction = 0, message = '' } = data
  view.take({ type: 'progress', phase, fraction, message })
}
