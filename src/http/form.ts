/** Reads an upload, multipart or raw: files go to the store as they come, fields are kept; whatever fails, nothing stays. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import { reserveBytes, storedBytesExceeded } from '../owners/reserve-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { type Received, receive, settle } from '../storage/receive.ts'
import { declaresDigest, verifyDigest } from './declared-digest.ts'
import { invite } from './expect.ts'
import { fingerprintOfForm } from './fingerprint.ts'
import { asFormError, OVERHEAD_BYTES, partLimits } from './form-limits.ts'
import { requireSamePayload } from './once.ts'

export interface FormFile extends Received {
  field: string
  filename: string
}

export interface Form {
  fields: Record<string, string>
  files: FormFile[]
  /** of all files together */
  maxBytes: number
}

interface UploadCall {
  deps: Deps
  request: FastifyRequest
  reply: FastifyReply
}

/** Calls `use` with the received form and lets go of the bytes afterwards: what `use` recorded has its own reference. */
export async function withForm<T>({ deps, request, reply }: UploadCall, use: (form: Form) => Promise<T>): Promise<T> {
  refuseType(request)
  refuseEncoded(request)
  refuseTooLarge(request, deps.config.MAX_UPLOAD_BYTES)
  const reserved = await reserveBytes(deps, request.caller.owner, declaredSize(request))
  const maxBytes = Math.min(deps.config.MAX_UPLOAD_BYTES, reserved.bytes)
  const form: Form = { fields: emptyFields(), files: [], maxBytes }
  try {
    invite(request, reply)
    await (request.isMultipart() ? readParts : readRaw)(deps, request, form)
    await requireSamePayload(deps, request, fingerprintOfForm(form))
    return await use(form)
  } catch (error) {
    throw overReserved(deps, reserved.bytes, error)
  } finally {
    reserved.end()
    await settle(deps, form.files)
  }
}

/** An upload of undeclared size met the end of its owner's room, not the largest size of uploads. */
function overReserved({ config }: Deps, reserved: number, error: unknown): unknown {
  const isFull =
    error instanceof FewbitError && error.code === 'payload_too_large' && reserved < config.MAX_UPLOAD_BYTES
  return isFull ? storedBytesExceeded(config.MAX_STORED_BYTES) : error
}

function declaredSize({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** Clients choose the names. */
const emptyFields = (): Record<string, string> => Object.create(null)

/** Fastify parses text and JSON itself; neither is an upload. */
function refuseType(request: FastifyRequest): void {
  const type = request.headers['content-type'] ?? ''
  if (request.isMultipart() || type.startsWith('application/octet-stream')) return
  throw new FewbitError(
    'unsupported_media_type',
    `an upload is a multipart form or application/octet-stream, not ${type || 'without a type'}`,
  )
}

async function readParts(deps: Deps, request: FastifyRequest, form: Form): Promise<void> {
  const parts = request.parts({ limits: partLimits(form.maxBytes) })
  const digest = watchDigest(request)
  try {
    for await (const part of parts) {
      if (part.type === 'file') await readFile(deps, request, form, part)
      else form.fields[part.fieldname] = String(part.value)
    }
    digest.verify()
  } catch (error) {
    throw asFormError(error)
  }
}

async function readFile(deps: Deps, request: FastifyRequest, form: Form, part: MultipartFile): Promise<void> {
  const taken = form.files.reduce((sum, file) => sum + file.size, 0)
  const maxBytes = form.maxBytes - taken
  const received = await receive(deps, part.file, { maxBytes, signal: request.gone })
  form.files.push({ ...received, field: part.fieldname, filename: part.filename })
}

async function readRaw(deps: Deps, request: FastifyRequest, form: Form): Promise<void> {
  const source = Readable.from(chunksOf(request.raw), { objectMode: false })
  const limits = { maxBytes: form.maxBytes, signal: request.gone }
  const received = await receive(deps, source, limits)
  const { name = '', ...fields } = request.query as Record<string, string>
  form.fields = Object.assign(emptyFields(), fields, { name })
  form.files.push({ ...received, field: 'file', filename: name })
  verifyDigest(request.headers, received.sha256)
}

/** Of a form the fields speak of the whole body, boundaries included: it is hashed on its way to the parser. */
function watchDigest({ headers, raw }: FastifyRequest): { verify(): void } {
  if (!declaresDigest(headers)) return { verify: () => {} }
  const hash = createHash('sha256')
  const pipe = raw.pipe.bind(raw)
  raw.pipe = (to, options) => {
    // the listener starts the flow: not before the parser is there
    raw.on('data', (chunk: Buffer) => hash.update(chunk))
    return pipe(to, options)
  }
  return { verify: () => verifyDigest(headers, hash.digest('hex')) }
}

/** What becomes of these chunks does not touch the request: one that is destroyed loses its socket, which then stays open unread. */
export async function* chunksOf(request: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk
}

export function refuseEncoded(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    throw new FewbitError('unsupported_media_type', `uploads may not be encoded as ${encoding}`)
}

function refuseTooLarge(request: FastifyRequest, maxBytes: number): void {
  const declared = Number(request.headers['content-length'] ?? 0)
  const allowed = request.isMultipart() ? maxBytes + OVERHEAD_BYTES : maxBytes
  if (declared > allowed) throw new FewbitError('payload_too_large', `at most ${maxBytes} bytes are accepted`)
}
