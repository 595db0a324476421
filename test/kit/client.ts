/** The calls that nearly every test of the service makes. */
import assert from 'node:assert/strict'
import type { JobRecord } from '../../src/jobs/record/job.ts'
import { randomData } from './data.ts'
import { CLASSES, convNet, IMAGE } from './model.ts'

export interface Answer<T = Record<string, unknown>> {
  status: number
  headers: Headers
  body: T
}

/** One request; the body is parsed as JSON where it is JSON. */
export async function call<T = Record<string, never>>(url: string, init: RequestInit = {}): Promise<Answer<T>> {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T }
}

export const post = <T = Record<string, never>>(url: string, body: unknown, headers: Record<string, string> = {}) =>
  call<T>(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

/** Uploads bytes as the part `file` of a form. */
export function upload<T = Record<string, never>>(
  url: string,
  bytes: Uint8Array,
  fields: Record<string, string> = {},
  filename = 'upload.bin',
): Promise<Answer<T>> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  form.set('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), filename)
  return call<T>(url, { method: 'POST', body: form })
}

/** Uploads and returns the id. */
export async function create(url: string, kind: 'models' | 'datasets', bytes: Uint8Array): Promise<string> {
  const { status, body } = await upload<{ id: string }>(`${url}/v1/${kind}`, bytes)
  assert.ok(status === 200 || status === 201, `${kind}: ${status} ${JSON.stringify(body)}`)
  return body.id
}

export type Job = Omit<JobRecord, 'owner'>

/** A static job on the small conv net, unless `request` says otherwise. */
export async function startJob(
  url: string,
  request: Record<string, unknown> = {},
  bytes = convNet(),
  data?: Buffer,
): Promise<Job> {
  const model_id = await create(url, 'models', bytes)
  const dataset_id = await create(url, 'datasets', data ?? randomData(80, IMAGE, { classes: CLASSES }))
  const { status, body } = await post<Job>(`${url}/v1/jobs`, {
    model_id,
    target: 'cpu-int8',
    method: { type: 'static' },
    calibration: { dataset_id },
    ...request,
  })
  assert.equal(status, 202, JSON.stringify(body))
  return body
}

export async function getJob(url: string, id: string): Promise<Job> {
  return (await call<Job>(`${url}/v1/jobs/${id}`)).body
}

const TERMINAL = ['succeeded', 'failed', 'canceled', 'expired']

/** Waits for the end of a job, through restarts of the API. */
export async function finished(url: string, id: string, timeoutMs = 60_000): Promise<Job> {
  for (const until = Date.now() + timeoutMs; Date.now() < until; ) {
    const job = await call<Job>(`${url}/v1/jobs/${id}`, { headers: { prefer: 'wait=5' } }).catch(() => null)
    if (job && TERMINAL.includes(job.body.status)) return job.body
    if (job?.status !== 200) await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`job ${id} did not end within ${timeoutMs} ms: ${JSON.stringify(await getJob(url, id))}`)
}
