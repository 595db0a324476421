/** Jobs that last, and what can be seen of them from outside while processes die under them. */
import { call, create, getJob, startJob } from './client.ts'
import { randomData } from './data.ts'
import { CLASSES, convNet, endlessLoop, IMAGE } from './model.ts'
import { descendantsOf, isAlive } from './processes.ts'
import { type Service, until } from './service.ts'

interface Event {
  type: string
  data: Record<string, unknown>
}

const TERMINAL = /^job\.(succeeded|failed|canceled|expired)$/

/** Takes a while: many samples to judge. */
export async function startSlowJob({ url }: Service): Promise<string> {
  const dataset_id = await create(url, 'datasets', randomData(1500, IMAGE, { classes: CLASSES }))
  return (await startJob(url, { evaluation: { dataset_id } }, convNet({ width: 96 }))).id
}

/** A native call that never returns. */
export async function startEndlessJob({ url }: Service, limits?: object): Promise<string> {
  const request = { method: { type: 'dynamic' }, calibration: undefined, limits }
  return (await startJob(url, request, endlessLoop())).id
}

export const reaches = ({ url }: Service, id: string, phase: string): Promise<void> =>
  until(async () => (await getJob(url, id)).phase === phase, `no job ${phase}`, 60_000)

export const isTriedAgain = ({ url }: Service, id: string): Promise<void> =>
  until(async () => (await getJob(url, id)).attempt === 2, 'it does not run again', 60_000)

export async function eventsOf({ url }: { url: string }, id: string): Promise<Event[]> {
  return (await call<{ data: Event[] }>(`${url}/v1/jobs/${id}/events?limit=100`)).body.data
}

export async function terminalEvents(service: { url: string }, id: string): Promise<string[]> {
  return (await eventsOf(service, id)).filter(({ type }) => TERMINAL.test(type)).map(({ type }) => type)
}

/** What runs below the worker, its runner last. */
export const runnersOf = (service: Service): Promise<number[]> => descendantsOf(service.pid('worker'))

export const noneIsLeft = (pids: number[]): Promise<void> =>
  until(() => pids.filter(isAlive).length === 0, 'a runner is left')

export const secondsSince = (since: number): string => `${((performance.now() - since) / 1000).toFixed(2)} s`
