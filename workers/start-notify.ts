/** The webhook process's work: sweeps the outbox onto the queue and delivers what is on it. */
import { DelayedError, type Job, Worker } from 'bullmq'
import type { Deps } from '../src/deps.ts'
import { sweepOutbox } from '../src/jobs/events/sweep-outbox.ts'
import { isThere, patientOptions } from '../src/queue/connection.ts'
import { type Delivery, lockOf, type Notice, QUEUE_NAMES, queuePrefix } from '../src/queue/queues.ts'
import { messageOf } from '../src/shared/errors.ts'
import { repeat } from '../src/shared/repeat.ts'
import { openGuardedAgent } from '../src/webhooks/guarded-agent.ts'
import { type Lanes, openLanes } from '../src/webhooks/lanes.ts'
import { delayBefore, retryDelays } from '../src/webhooks/retry-delays.ts'
import { TIMEOUT_MS } from '../src/webhooks/send-webhook.ts'
import { persist } from './attempt/persist.ts'
import { DeliveryFailed, deliver, type Errand, errandOf } from './deliver.ts'

type Entry = Delivery | Notice

export interface RunningNotify {
  close(): Promise<void>
}

/** receivers may hang: many wait at once, few for the same receiver or owner */
const CONCURRENCY = 64
const LANES = { perReceiver: 4, perOwner: 16, longestMs: TIMEOUT_MS }
const SWEEP_MS = 2000

export async function startNotify(deps: Deps): Promise<RunningNotify> {
  const delays = retryDelays(deps.config)
  const dispatcher = openGuardedAgent(deps.config)
  const sending = { sender: { config: deps.config, dispatcher }, delays }
  const lanes = openLanes(LANES)
  const process = async (entry: Job<Entry>, token?: string) => {
    const errand = await persist(() => errandOf(deps, entry.data))
    if (errand) await inLane(lanes, errand, { entry, token }, () => deliver(deps, sending, errand, entry))
  }
  const worker = new Worker<Entry>(QUEUE_NAMES.notify, process, {
    connection: { ...patientOptions(deps.config.REDIS_URL!) },
    prefix: queuePrefix(deps.config),
    concurrency: CONCURRENCY,
    ...lockOf(deps.config),
    // A delivery may be repeated under the same id; it must not be given up because this process died.
    maxStalledCount: 1_000_000,
    settings: {
      backoffStrategy: (failures, _type, error) =>
        error instanceof DeliveryFailed ? error.delayMs : delayBefore(delays, failures, 0, Math.random()),
    },
  })
  worker.on('error', (error) => deps.log.warn({ reason: error.message }, 'queue'))
  const changes = deps.queues.changes.watch('*')
  const stopSweeping = repeat(
    () => sweep(deps, delays.length + 1),
    (signal) => changes.next(SWEEP_MS, signal),
  )
  return {
    async close() {
      await stopSweeping()
      changes.close()
      // a polite end would wait until Redis is back
      await worker.close(!(await isThere(deps.redis)))
      await dispatcher.close()
    },
  }
}

async function sweep(deps: Deps, attempts: number): Promise<void> {
  await sweepOutbox(deps, attempts).catch((error) => deps.log.warn({ reason: messageOf(error) }, 'outbox'))
}

/** A delivery that has to wait does so in the queue, where it holds up nobody; this is no attempt. */
async function inLane(
  lanes: Lanes,
  errand: Errand,
  { entry, token }: { entry: Job<Entry>; token: string | undefined },
  work: () => Promise<void>,
): Promise<void> {
  const place = lanes.enter(errand)
  if (typeof place !== 'number') return work().finally(place)
  // with some chance in it, so that not all come back at once
  await entry.moveToDelayed(Date.now() + place * (1 + Math.random()), token)
  throw new DelayedError()
}
