/** A job whose artifact is a `.tflite`: over HTTP, in the confined runner, executed there. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readFile } from '../../src/engine/tflite/index.ts'
import { create, finished, post, startJob } from '../kit/client.ts'
import { convNet } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

describe('a job with the format tflite', () => {
  let service: Service
  before(async () => {
    service = await startService({}, ['api', 'worker'])
  })
  after(() => service.close())

  test('gives model.tflite and signature.json, which the runner executed', async () => {
    const { id } = await startJob(service.url, { target: 'npu-ethos-u', format: 'tflite', tflite: { images: 'nchw' } })
    const job = await finished(service.url, id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    const names = job.artifacts.map(({ name }) => name)
    assert.deepEqual(names.slice(0, 2), ['model.tflite', 'signature.json'])
    assert.ok(job.metrics?.litert?.version, JSON.stringify(job.warnings))
    const content = await fetch(`${service.url}/v1/artifacts/${job.artifacts[0]?.id}/content`)
    const read = readFile(new Uint8Array(await content.arrayBuffer()))
    assert.deepEqual(
      read.signature_defs?.[0]?.inputs?.map(({ name }) => name),
      ['x'],
    )
  })

  test('is refused with a pointer where the target takes no such file', async () => {
    const model_id = await create(service.url, 'models', convNet())
    const request = { model_id, target: 'cpu-int8', method: { type: 'dynamic' }, format: 'tflite' }
    const { status, body } = await post<{ code: string; errors: { pointer: string }[] }>(
      `${service.url}/v1/jobs`,
      request,
    )
    assert.equal(status, 422)
    assert.equal(body.code, 'target_format_mismatch')
    assert.deepEqual(
      body.errors.map(({ pointer }) => pointer),
      ['/format'],
    )
  })
})
