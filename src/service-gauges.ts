/** What the API's metrics say of the whole service: jobs by status and method, what is on the queues. */
import type { Deps } from './deps.ts'
import { readJobCounts } from './jobs/record/counts.ts'
import { bounded } from './queue/connection.ts'
import { countPresent, PRESENT } from './queue/presence.ts'
import { QUEUE_NAMES } from './queue/queues.ts'
import { addGauge } from './telemetry/metrics.ts'

const STATES = ['waiting', 'prioritized', 'delayed', 'active', 'failed'] as const

export function addServiceGauges(deps: Deps): void {
  addGauge(deps.metrics, { name: 'fewbit_jobs', help: 'Jobs that there are', labelNames: ['status', 'method'] }, () =>
    readJobCounts(deps),
  )
  addGauge(
    deps.metrics,
    { name: 'fewbit_queue_entries', help: 'Entries on the queues', labelNames: ['queue', 'state'] },
    () => readQueues(deps),
  )
  addGauge(
    deps.metrics,
    { name: 'fewbit_workers_alive', help: 'Processes that said so in the last half minute', labelNames: ['kind'] },
    () => Promise.all(PRESENT.map(async (kind) => ({ labels: { kind }, value: await countPresent(deps, kind) }))),
  )
}

async function readQueues({ queues }: Deps) {
  const names = Object.values(QUEUE_NAMES)
  const counts = await Promise.all(names.map((name) => bounded(queues[name].getJobCounts(...STATES), 'the queue')))
  return names.flatMap((queue, i) =>
    Object.entries(counts[i] ?? {}).map(([state, value]) => ({ labels: { queue, state }, value })),
  )
}
