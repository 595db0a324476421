/** A job for browsers runs WebAssembly inside of the walls around its runner. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { finished, startJob } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

let service: Service
before(async () => {
  service = await startService({}, ['api', 'worker'])
})
after(() => service.close())

test('a confined job for web-wasm verifies on WebAssembly', async () => {
  const request = { target: 'web-wasm', method: { type: 'dynamic' }, calibration: undefined }
  const job = await finished(service.url, (await startJob(service.url, request, mlp())).id)
  assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
  const run = job.metrics?.runtimes?.find(({ runtime }) => runtime === 'wasm')
  assert.ok(run?.verified && run.sqnr_db !== null && run.sqnr_db > 20, JSON.stringify(job.metrics?.runtimes))
})
