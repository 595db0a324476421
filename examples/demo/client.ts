/** The few calls that a client makes, with nothing but fetch. */
import { openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import type { Job } from './job.ts'

interface Problem {
  detail: string
  hint?: string
}

async function answerOf<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T
  const { detail, hint } = (await response.json()) as Problem
  throw new Error([detail, hint].filter(Boolean).join(' — '))
}

/** Uploads a file from disk. */
export const uploadFile = async (url: string, path: string) => upload(url, await openAsBlob(path), basename(path))

export async function upload(
  url: string,
  bytes: Blob,
  name: string,
  fields: Record<string, string> = {},
): Promise<string> {
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

export interface Progress {
  phase: string
  fraction: number
  message: string
}

/** Follows the job's event stream, which the service closes when the job has ended. */
export async function follow(url: string, id: string, show: (progress: Progress) => void): Promise<Job> {
  const response = await fetch(`${url}/v1/jobs/${id}/events`, { headers: { accept: 'text/event-stream' } })
  let rest = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split('\n\n')
    rest = frames.pop()!
    for (const frame of frames) {
      const data = /^data: ?(.*)$/m.exec(frame)?.[1]
      const event = data && (JSON.parse(data) as { type: string; data: Progress })
      if (event && event.type === 'job.progress') show(event.data)
    }
  }
  return getJob(url, id)
}

export async function download(url: string, artifactId: string): Promise<Uint8Array> {
  const response = await fetch(`${url}/v1/artifacts/${artifactId}/content`)
  if (!response.ok) throw new Error(`download failed with ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}
