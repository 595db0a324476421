/** A client that is generated from openapi.yaml runs the main job against the live service. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import createClient from 'openapi-fetch'
import type { paths } from '../generated/api.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, IMAGE } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

let service: Service
before(async () => {
  service = await startService({}, ['api', 'worker'])
})
after(() => service.close())

/** Multipart bodies are described as strings of bytes; a Blob is what fetch sends. */
function formOf(bytes: Uint8Array, name: string): FormData {
  const form = new FormData()
  form.set('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), name)
  return form
}

test('upload, quantize, wait, download: every call typed by the description', async () => {
  const client = createClient<paths>({ baseUrl: service.url })
  const multipart = (bytes: Uint8Array, name: string) =>
    ({ body: { file: '' }, bodySerializer: () => formOf(bytes, name) }) as const
  const model = await client.POST('/v1/models', multipart(convNet(), 'net.onnx'))
  const data = await client.POST('/v1/datasets', multipart(randomData(40, IMAGE, { classes: CLASSES }), 'data.npz'))
  assert.ok(model.data && data.data)
  const { data: job, error } = await client.POST('/v1/jobs', {
    body: {
      model_id: model.data.id,
      target: 'cpu-int8',
      method: { type: 'static' },
      calibration: { dataset_id: data.data.id },
    },
  })
  assert.ok(job?.object === 'job', JSON.stringify(error))
  let current = await client.GET('/v1/jobs/{id}', { params: { path: { id: job.id } } }).then(({ data }) => data)
  while (current?.status === 'queued' || current?.status === 'running') {
    const wait = { params: { path: { id: job.id }, header: { prefer: 'wait=20' } } }
    current = await client.GET('/v1/jobs/{id}', wait).then(({ data }) => data)
  }
  assert.equal(current?.status, 'succeeded')
  const artifact = current?.artifacts.find(({ name }) => name === 'model.onnx')
  assert.ok(artifact)
  const { data: bytes } = await client.GET('/v1/artifacts/{id}/content', {
    params: { path: { id: artifact.id } },
    parseAs: 'arrayBuffer',
  })
  assert.equal(bytes?.byteLength, artifact.size_bytes)
})
