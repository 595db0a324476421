/** /v1/models: upload, look, download, delete. */
import { z } from 'zod'
import { deleteModel } from '../../models/delete-model.ts'
import { getModel } from '../../models/get-model.ts'
import { listModels } from '../../models/list-models.ts'
import { Model, viewModel } from '../../models/model.ts'
import { openModelContent } from '../../models/open-model-content.ts'
import { idPattern } from '../../shared/ids.ts'
import { Conditions, sendUnlessKnown } from '../conditions.ts'
import { BINARY, CONDITIONAL, DOWNLOAD, upload } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { requireMatch } from '../etag.ts'
import { withForm } from '../form.ts'
import { modelOf } from '../model-form.ts'
import { withLimits } from '../rate-limit.ts'
import { sendContent } from '../send-content.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('mdl', 'model')
/** what a model is never changes */
const etagOf = (id: string): string => `"${id}"`
export const ModelList = listOf(Model)

export const create = endpoint(
  {
    operationId: 'createModel',
    'x-idempotent': true,
    tags: ['models'],
    summary: 'Upload an ONNX model',
    description:
      'Multipart with the part `file` (the .onnx) and any number of parts `external` (its external data, each with the file name that the model refers to), or the raw bytes as application/octet-stream. Either may be one .zip instead that holds the .onnx with its external data in one directory. Content-Digest and Repr-Digest are checked where they come. Large files can be sent in parts: POST /v1/uploads. The same bytes again answer 200 with the model that exists.',
    querystring: z.strictObject({
      name: z.string().max(200).optional().describe('name of the model, for raw uploads'),
      metadata: z.string().max(10_000).optional().describe('JSON object of strings, for raw uploads'),
    }),
    response: { 200: answer('These bytes were uploaded before', Model), 201: answer('The new model', Model) },
    'x-errors': [
      'malformed_request',
      'digest_mismatch',
      'payload_too_large',
      'unsupported_media_type',
      'model_not_onnx',
      'model_bundle_invalid',
      'stored_bytes_exceeded',
      'insufficient_storage',
    ],
    'x-document': upload({
      file: { ...BINARY, description: 'the .onnx file, or a .zip with it and its external data' },
      external: { type: 'array', items: BINARY, description: 'external data files' },
      name: { type: 'string' },
      metadata: { type: 'string', description: 'JSON object of strings' },
    }),
  },
  async ({ deps, owner, request, reply }) => {
    const { model, created } = await withLimits({ deps, owner, reply }, ['stored-bytes'], () =>
      withForm({ deps, request, reply }, (form) => modelOf(deps, owner, form, request.gone)),
    )
    return reply
      .code(created ? 201 : 200)
      .header('location', `/v1/models/${model.id}`)
      .send(viewModel(model))
  },
)

export const list = endpoint(
  {
    operationId: 'listModels',
    tags: ['models'],
    summary: 'List models',
    description: 'Newest first.',
    querystring: pageOf(idPattern('mdl')),
    response: { 200: answer('A page of models', ModelList) },
  },
  async ({ deps, owner, query }) => {
    const page = await listModels(deps, owner, query)
    return { object: 'list', ...page, data: page.data.map(viewModel) }
  },
)

export const get = endpoint(
  {
    operationId: 'getModel',
    tags: ['models'],
    summary: 'Get a model',
    description: 'What the model is: inputs, outputs, operators, size.',
    params: Id,
    headers: Conditions,
    response: { 200: answer('The model', Model) },
    'x-errors': ['not_found', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async ({ deps, owner, params, headers, reply }) =>
    sendUnlessKnown(reply, headers, etagOf(params.id), viewModel(await getModel(deps, owner, params.id))),
)

export const content = endpoint(
  {
    operationId: 'getModelContent',
    tags: ['models'],
    summary: 'Download a model',
    description: 'The bytes of the .onnx file; strong ETag, ranges, digest.',
    params: Id,
    'x-errors': ['not_found', 'precondition_failed', 'range_not_satisfiable'],
    'x-document': DOWNLOAD,
  },
  async ({ deps, owner, params, request, reply }) =>
    sendContent({ request, reply }, await openModelContent(deps, owner, params.id)),
)

export const remove = endpoint(
  {
    operationId: 'deleteModel',
    tags: ['models'],
    summary: 'Delete a model',
    description: 'Refused while a job that is not finished needs it.',
    params: Id,
    headers: Conditions,
    response: { 204: NoContent },
    'x-errors': ['not_found', 'in_use', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, reply }) => {
    await getModel(deps, owner, params.id)
    requireMatch(headers['if-match'], etagOf(params.id))
    await deleteModel(deps, owner, params.id)
    return reply.code(204).send()
  },
)
