/** The calls that benches make to a running service. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Metrics } from '../../src/contract/report.ts'

export interface Job {
  id: string
  status: string
  metrics: Metrics | null
  error: { code: string; detail: string } | null
}

const ENDED = ['succeeded', 'failed', 'canceled', 'expired']

async function answerOf<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T
  throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
}

/** The id of the model or data set that `bytes` became. */
export async function upload(url: string, bytes: Blob, name: string, fields: Record<string, string> = {}) {
  const form = new FormData()
  for (const [key, value] of Object.entries(fields)) form.set(key, value)
  form.set('file', bytes, name)
  const { id } = await answerOf<{ id: string }>(await fetch(url, { method: 'POST', body: form }))
  return id
}

export async function createJob(url: string, request: object): Promise<Job> {
  const headers = { 'content-type': 'application/json' }
  return answerOf<Job>(await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(request) }))
}

export const getJob = async (url: string, id: string): Promise<Job> =>
  answerOf<Job>(await fetch(`${url}/v1/jobs/${id}`))

/** Waits until the job has ended. */
export async function ended(url: string, id: string): Promise<Job> {
  for (;;) {
    const job = await getJob(url, id)
    if (ENDED.includes(job.status)) return job
    await delay(500)
  }
}
