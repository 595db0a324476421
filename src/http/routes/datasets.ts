/** /v1/datasets: calibration and evaluation data. */
import { z } from 'zod'
import { DatasetRecord, viewDataset } from '../../datasets/dataset.ts'
import { deleteDataset } from '../../datasets/delete-dataset.ts'
import { getDataset } from '../../datasets/get-dataset.ts'
import { listDatasets } from '../../datasets/list-datasets.ts'
import { idPattern } from '../../shared/ids.ts'
import { Conditions, sendUnlessKnown } from '../conditions.ts'
import { datasetOf } from '../dataset-form.ts'
import { BINARY, CONDITIONAL, upload } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { requireMatch } from '../etag.ts'
import { withForm } from '../form.ts'
import { withLimits } from '../rate-limit.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('ds', 'data set')
/** what a data set is never changes */
const etagOf = (id: string): string => `"${id}"`
export const Dataset = DatasetRecord.omit({ owner: true })
export const DatasetList = listOf(Dataset)

export const create = endpoint(
  {
    operationId: 'createDataset',
    'x-idempotent': true,
    tags: ['datasets'],
    summary: 'Upload a data set',
    description:
      'An .npz whose arrays are named as the inputs of the model, first axis = sample, optionally with an array `labels`. The field `spec` says how stored integers become floats. Or a .zip of pictures, whose `spec` says how they become an input: `{"images": {"input": "x", "preset": "torchvision"}}`; labels are read from a `labels.csv`, or from the folders that the pictures lie in. Or a .zip with a .jsonl of texts and the tokenizer.json of the model: `{"text": {"max_length": 128}}`. Content-Digest and Repr-Digest are checked where they come. Large files can be sent in parts: POST /v1/uploads. The same bytes again answer 200 with the data set that exists.',
    querystring: z.strictObject({
      name: z.string().max(200).optional().describe('name of the data set, for raw uploads'),
      spec: z.string().max(10_000).optional().describe('the spec as JSON, for raw uploads'),
      metadata: z.string().max(10_000).optional().describe('JSON object of strings, for raw uploads'),
    }),
    response: {
      200: answer('These bytes were uploaded before', Dataset),
      201: answer('The new data set', Dataset),
    },
    'x-errors': [
      'malformed_request',
      'digest_mismatch',
      'payload_too_large',
      'unsupported_media_type',
      'dataset_not_npz',
      'stored_bytes_exceeded',
      'insufficient_storage',
    ],
    'x-document': upload({
      file: { ...BINARY, description: 'the .npz archive, or the .zip of pictures' },
      name: { type: 'string' },
      spec: { type: 'string', description: 'JSON: `{"arrays": {"x": {"scale": 0.00392}}}`' },
      metadata: { type: 'string', description: 'JSON object of strings' },
    }),
  },
  async ({ deps, owner, request, reply }) => {
    const { dataset, created } = await withLimits({ deps, owner, reply }, ['stored-bytes'], () =>
      withForm({ deps, request, reply }, (form) => datasetOf(deps, owner, form)),
    )
    return reply
      .code(created ? 201 : 200)
      .header('location', `/v1/datasets/${dataset.id}`)
      .send(viewDataset(dataset))
  },
)

export const list = endpoint(
  {
    operationId: 'listDatasets',
    tags: ['datasets'],
    summary: 'List data sets',
    description: 'Newest first.',
    querystring: pageOf(idPattern('ds')),
    response: { 200: answer('A page of data sets', DatasetList) },
  },
  async ({ deps, owner, query }) => {
    const page = await listDatasets(deps, owner, query)
    return { object: 'list', ...page, data: page.data.map(viewDataset) }
  },
)

export const get = endpoint(
  {
    operationId: 'getDataset',
    tags: ['datasets'],
    summary: 'Get a data set',
    description: 'Its arrays, labels and number of samples.',
    params: Id,
    headers: Conditions,
    response: { 200: answer('The data set', Dataset) },
    'x-errors': ['not_found', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async ({ deps, owner, params, headers, reply }) =>
    sendUnlessKnown(reply, headers, etagOf(params.id), viewDataset(await getDataset(deps, owner, params.id))),
)

export const remove = endpoint(
  {
    operationId: 'deleteDataset',
    tags: ['datasets'],
    summary: 'Delete a data set',
    description: 'Refused while a job that is not finished needs it.',
    params: Id,
    headers: Conditions,
    response: { 204: NoContent },
    'x-errors': ['not_found', 'in_use', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, reply }) => {
    await getDataset(deps, owner, params.id)
    requireMatch(headers['if-match'], etagOf(params.id))
    await deleteDataset(deps, owner, params.id)
    return reply.code(204).send()
  },
)
