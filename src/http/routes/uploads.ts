/** /v1/uploads: large files in parts, in any order, many at a time, resumed after any crash. */
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { DatasetSpec } from '../../contract/recipe.ts'
import { viewDataset } from '../../datasets/dataset.ts'
import { getDataset } from '../../datasets/get-dataset.ts'
import type { Deps } from '../../deps.ts'
import { getModel } from '../../models/get-model.ts'
import { Metadata, Model, viewModel } from '../../models/model.ts'
import { FewbitError } from '../../shared/errors.ts'
import { isId } from '../../shared/ids.ts'
import { type Received, settle } from '../../storage/receive.ts'
import { assemble, deleteUpload } from '../../uploads/assemble.ts'
import { createUpload, LEAST_PART_BYTES, MOST_PART_BYTES } from '../../uploads/create-upload.ts'
import { getUpload, listUploads } from '../../uploads/get-upload.ts'
import { putPart, requirePart, wrongSize } from '../../uploads/put-part.ts'
import { type StoredUpload, UPLOAD_KINDS, Upload, UploadPart, viewUpload } from '../../uploads/upload.ts'
import { datasetOf } from '../dataset-form.ts'
import { verifyDigest } from '../declared-digest.ts'
import { RAW } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { invite } from '../expect.ts'
import { chunksOf, type Form, refuseEncoded } from '../form.ts'
import { modelOf } from '../model-form.ts'
import { withLimits } from '../rate-limit.ts'
import { answer, idOf, NoContent } from '../shapes.ts'
import { Dataset } from './datasets.ts'

const Id = idOf('upl', 'upload')
const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits')
  .describe('of all bytes, in hex')
export const UploadList = z.object({ object: z.literal('list'), data: z.array(Upload), has_more: z.literal(false) })
export const UploadCompletion = z.strictObject({ sha256: sha256.optional() })
export const UploadRequest = z.strictObject({
  kind: z.enum(UPLOAD_KINDS),
  name: z.string().min(1).max(200).describe('of the model or data set'),
  size_bytes: z.number().int().positive().describe('of all parts together'),
  sha256: sha256.optional(),
  part_size_bytes: z
    .number()
    .int()
    .min(LEAST_PART_BYTES)
    .max(MOST_PART_BYTES)
    .optional()
    .describe('of every part but the last; by default 16 MiB, and more where that would make over 10,000 parts'),
  spec: DatasetSpec.optional().describe('of a data set'),
  metadata: Metadata.optional(),
})

export const create = endpoint(
  {
    operationId: 'createUpload',
    'x-idempotent': true,
    tags: ['uploads'],
    summary: 'Announce an upload in parts',
    description:
      'Answers with the size of the parts. They may then come in any order, many at a time and as often as it takes; what is there survives crashes of both sides. An upload to which nothing comes for a day expires.',
    body: UploadRequest,
    response: { 201: answer('The upload, without any part', Upload) },
    'x-errors': ['malformed_request', 'payload_too_large', 'stored_bytes_exceeded', 'too_many_uploads'],
  },
  async ({ deps, owner, body, reply, newId }) => {
    const upload = await withLimits({ deps, owner, reply }, ['stored-bytes'], () =>
      createUpload(deps, owner, newId('upl'), body),
    )
    return reply.code(201).header('location', `/v1/uploads/${upload.record.id}`).send(viewUpload(upload))
  },
)

export const list = endpoint(
  {
    operationId: 'listUploads',
    tags: ['uploads'],
    summary: 'List unfinished uploads',
    description: 'Newest first; at most 100 may be unfinished.',
    response: { 200: answer('The uploads', UploadList) },
  },
  async ({ deps, owner }) => ({
    object: 'list',
    data: (await listUploads(deps, owner)).map(viewUpload),
    has_more: false,
  }),
)

export const get = endpoint(
  {
    operationId: 'getUpload',
    tags: ['uploads'],
    summary: 'Get an upload',
    description: 'Which parts are there: a client that lost its way sends the others.',
    params: Id,
    response: { 200: answer('The upload', Upload) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params }) => viewUpload(await getUpload(deps, owner, params.id)),
)

export const put = endpoint(
  {
    operationId: 'putUploadPart',
    tags: ['uploads'],
    summary: 'Send a part',
    description:
      'Its bytes, raw. Content-Digest or Repr-Digest are checked where they come. A part that is there already is replaced.',
    params: Id.extend({ n: z.coerce.number().int().min(1).max(10_000).describe('1 is the first part') }),
    response: { 200: answer('The part is stored', UploadPart) },
    'x-errors': [
      'malformed_request',
      'not_found',
      'digest_mismatch',
      'unsupported_media_type',
      'part_size_mismatch',
      'upload_completed',
      'insufficient_storage',
    ],
    'x-document': RAW,
  },
  async ({ deps, owner, params, request, reply }) => {
    const upload = await getUpload(deps, owner, params.id)
    const size = requirePart(upload, params.n)
    refuseEncoded(request)
    const type = request.headers['content-type'] ?? ''
    if (!type.startsWith('application/octet-stream'))
      throw new FewbitError(
        'unsupported_media_type',
        `a part is application/octet-stream, not ${type || 'without a type'}`,
      )
    const declared = request.headers['content-length']
    if (declared !== undefined && Number(declared) !== size) throw wrongSize(params.n, declared, size)
    invite(request, reply)
    return putPart(deps, upload, params.n, {
      stream: Readable.from(chunksOf(request.raw), { objectMode: false }),
      signal: request.gone,
      verify: (digest) => verifyDigest(request.headers, digest),
    })
  },
)

export const complete = endpoint(
  {
    operationId: 'completeUpload',
    tags: ['uploads'],
    summary: 'Make a model or data set of the parts',
    description:
      'Answers as the upload in one piece would. Count and digest of all bytes must be what was declared. Called again, it answers 200 with what came of it; when the bytes are refused, the parts stay and may be replaced.',
    params: Id,
    body: UploadCompletion.nullish(),
    response: {
      200: answer('These bytes were there before', z.union([Model, Dataset])),
      201: answer('The new model or data set', z.union([Model, Dataset])),
    },
    'x-errors': [
      'malformed_request',
      'not_found',
      'upload_incomplete',
      'upload_in_progress',
      'digest_mismatch',
      'model_not_onnx',
      'model_bundle_invalid',
      'dataset_not_npz',
      'stored_bytes_exceeded',
      'insufficient_storage',
    ],
  },
  async ({ deps, owner, params, body, request, reply }) => {
    const upload = await getUpload(deps, owner, params.id)
    if (upload.resultId !== null) return sendMade(reply, await madeBefore(deps, owner, upload.resultId))
    const signal = request.gone
    return assemble(deps, upload, { signal, declared: body?.sha256 ?? null }, async (whole) => {
      const made = await makeOf(deps, upload, whole, signal)
      return { id: made.view.id, value: sendMade(reply, made) }
    })
  },
)

export const remove = endpoint(
  {
    operationId: 'deleteUpload',
    tags: ['uploads'],
    summary: 'Abort an upload',
    description: 'With all of its parts. What was made of a complete one stays.',
    params: Id,
    response: { 204: NoContent },
    'x-errors': ['not_found', 'upload_in_progress'],
  },
  async ({ deps, owner, params, reply }) => {
    await deleteUpload(deps, owner, params.id)
    return reply.code(204).send()
  },
)

interface Made {
  path: 'models' | 'datasets'
  view: { id: string }
  created: boolean
}

function sendMade(reply: FastifyReply, { path, view, created }: Made): FastifyReply {
  return reply
    .code(created ? 201 : 200)
    .header('location', `/v1/${path}/${view.id}`)
    .send(view)
}

/** As if the whole had come in one piece. */
async function makeOf(deps: Deps, { record }: StoredUpload, whole: Received, signal: AbortSignal): Promise<Made> {
  const { kind, owner, name, spec, metadata } = record
  const fields = { name, metadata: JSON.stringify(metadata), ...(spec && { spec: JSON.stringify(spec) }) }
  const file = { ...whole, field: 'file', filename: name }
  const form: Form = { fields, files: [file], maxBytes: deps.config.MAX_UPLOAD_BYTES }
  try {
    if (kind === 'dataset') {
      const { dataset, created } = await datasetOf(deps, owner, form)
      return { path: 'datasets', view: viewDataset(dataset), created }
    }
    const { model, created } = await modelOf(deps, owner, form, signal)
    return { path: 'models', view: viewModel(model), created }
  } finally {
    // the whole is settled by whoever put it together
    await settle(deps, form.files.slice(1))
  }
}

async function madeBefore(deps: Deps, owner: string, id: string): Promise<Made> {
  if (isId('mdl', id)) return { path: 'models', view: viewModel(await getModel(deps, owner, id)), created: false }
  return { path: 'datasets', view: viewDataset(await getDataset(deps, owner, id)), created: false }
}
