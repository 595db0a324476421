/** The metrics of a process, on a registry of its own. Labels are words of ours from closed sets: never ids, never what a client sent. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const WORK_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600]
const WAIT_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400]

export type Metrics = ReturnType<typeof openMetrics>

/** With Node's own: event loop lag, memory, garbage collection. */
export function openMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
    new Histogram<L>({ name, help, labelNames: [...labelNames], buckets, registers })
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers })
  return {
    registry,
    requests: histogram(
      'fewbit_http_request_duration_seconds',
      'From the head of a request to the end of its answer, by route template',
      ['method', 'route', 'status'],
      REQUEST_SECONDS,
    ),
    bytes: counter('fewbit_http_bytes_total', 'Bytes that went through connections, heads included', [
      'route',
      'direction',
    ]),
    transitions: counter('fewbit_job_transitions_total', 'Jobs that came into a status', ['status', 'method']),
    waits: histogram(
      'fewbit_job_queue_seconds',
      'Time that a job was queued before it started',
      ['method'],
      WAIT_SECONDS,
    ),
    durations: histogram(
      'fewbit_job_duration_seconds',
      'From the first start of a job to its end',
      ['method', 'status'],
      WORK_SECONDS,
    ),
    phases: histogram(
      'fewbit_job_phase_seconds',
      'Time that an attempt spent in a phase',
      ['method', 'phase'],
      WORK_SECONDS,
    ),
    kills: counter('fewbit_runner_kills_total', 'Runners that did not end on their own', ['reason']),
    deliveries: counter('fewbit_webhook_deliveries_total', 'Attempts to deliver a webhook', ['outcome']),
    deliverySeconds: histogram(
      'fewbit_webhook_delivery_seconds',
      'How long an attempt to deliver a webhook took',
      ['outcome'],
      REQUEST_SECONDS,
    ),
  }
}

/** A figure that is looked up whenever metrics are read; one that cannot be looked up is left out. */
export function addGauge<L extends string>(
  { registry }: Metrics,
  { name, help, labelNames }: { name: string; help: string; labelNames: readonly L[] },
  read: () => Promise<readonly { labels: Partial<Record<L, string>>; value: number }[]>,
): void {
  new Gauge<L>({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    async collect() {
      this.reset()
      for (const { labels, value } of await read().catch(() => [])) this.set(labels, value)
    },
  })
}
