/** How fast does /livez answer while a job computes? */
import { createJob, getJob } from '../lib/client.ts'

const PAUSE_MS = 10

export interface LivezResult {
  requests: number
  p50: number
  p99: number
  max: number
}

/** Starts the job, asks /livez until it has ended, and returns milliseconds. */
export async function benchLivez(url: string, request: object): Promise<LivezResult> {
  const { id } = await createJob(url, request)
  const times: number[] = []
  for (let asked = 0; ; asked++) {
    if (asked % 20 === 0 && !['queued', 'running'].includes((await getJob(url, id)).status)) break
    const started = performance.now()
    await (await fetch(`${url}/livez`)).text()
    times.push(performance.now() - started)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  return { requests: times.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
