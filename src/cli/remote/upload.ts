/** Files to the service: streamed, counted, and not sent twice where the service has them. */
import { openAsBlob, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'
import type { ProgressView } from '../progress.ts'
import { bytes } from '../table.ts'
import { Created } from './job.ts'
import { ask } from './request.ts'
import type { Access } from './settings.ts'

interface Part {
  name: 'file' | 'external'
  path: string
}

/** The model with the files of its external data. Returns its id. */
export async function uploadModel(access: Access, path: string, view: ProgressView): Promise<string> {
  requireFile(path)
  const { decodeModel } = await import('../../engine/onnx/index.ts')
  const external = decodeModel(path).external.map(
    (name): Part => ({ name: 'external', path: join(dirname(path), name) }),
  )
  return upload(access, 'models', [{ name: 'file', path }, ...external], {}, view)
}

/** `spec` says how stored integers become floats. Returns the id. */
export function uploadDataset(access: Access, path: string, spec: object, view: ProgressView): Promise<string> {
  requireFile(path)
  return upload(access, 'datasets', [{ name: 'file', path }], { spec: JSON.stringify(spec) }, view)
}

export function requireFile(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new FewbitError('not_found', `there is no file ${path}`)
}

async function upload(
  access: Access,
  kind: 'models' | 'datasets',
  parts: readonly Part[],
  fields: Record<string, string>,
  view: ProgressView,
): Promise<string> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  for (const { name, path } of parts) form.append(name, await openAsBlob(path), basename(path))
  const total = parts.reduce((sum, { path }) => sum + statSync(path).size, 0)
  const say = (fraction: number) =>
    view.take({ type: 'progress', phase: `uploading ${kind}`, fraction, message: messageOf(parts, total) })
  say(0)
  const { body, headers } = new Response(form)
  const counted = body?.pipeThrough(counter((sent) => say(Math.min(1, sent / total))))
  const answer = await ask(access, `/v1/${kind}`, {
    method: 'POST',
    body: counted,
    headers: { 'content-type': headers.get('content-type') ?? '' },
    duplex: 'half',
  } as RequestInit & { headers: Record<string, string> })
  return Created.parse(await answer.json()).id
}

const messageOf = ([first]: readonly Part[], total: number): string =>
  `uploading ${first ? basename(first.path) : ''} (${bytes(total)})`

function counter(onCount: (sent: number) => void): TransformStream<Uint8Array, Uint8Array> {
  let sent = 0
  return new TransformStream({
    transform(chunk, controller) {
      sent += chunk.length
      onCount(sent)
      controller.enqueue(chunk)
    },
  })
}
