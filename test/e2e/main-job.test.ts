/** The main job over HTTP, as a client does it, on a network that the test makes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type PlanDocument, Report } from '../../src/contract/report.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import { call, create, finished, type Job, post, startJob, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, IMAGE, mlp } from '../kit/model.ts'
import { pictureArchive } from '../kit/pictures.ts'
import { type Service, startService } from '../kit/service.ts'

describe('the main job', () => {
  let service: Service
  before(async () => {
    service = await startService({}, ['api', 'worker'])
  })
  after(() => service.close())

  const artifactOf = async (job: Job, name: string) => {
    const artifact = job.artifacts.find((one) => one.name === name)
    assert.ok(artifact, `no ${name}`)
    const response = await fetch(`${service.url}/v1/artifacts/${artifact.id}/content`)
    assert.equal(response.status, 200)
    const bytes = Buffer.from(await response.arrayBuffer())
    assert.equal(createHash('sha256').update(bytes).digest('hex'), artifact.sha256)
    assert.equal(bytes.length, artifact.size_bytes)
    return bytes
  }

  test('static: an integer network that follows the float one, with its proof', async () => {
    const evaluation = await create(service.url, 'datasets', randomData(64, IMAGE, { classes: CLASSES, seed: 9 }))
    const started = await startJob(service.url, { evaluation: { dataset_id: evaluation } }, convNet({ width: 32 }))
    const job = await finished(service.url, started.id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    const { metrics } = job
    assert.ok(metrics)
    assert.ok(metrics.fidelity && metrics.fidelity.sqnr_db > 25, JSON.stringify(metrics.fidelity))
    assert.equal(metrics.accuracy?.metric, 'top1')
    assert.equal(metrics.accuracy?.samples, 64)
    assert.ok(metrics.latency_ms && metrics.latency_ms.runs >= 20)
    assert.ok(metrics.coverage.integer_kernels! >= 5, JSON.stringify(metrics.coverage))
    assert.equal(metrics.coverage.macs_integer, 1)
    assert.deepEqual(metrics.target_conformance, { ok: true, violations: [] })
    assert.ok(metrics.size_bytes.ratio < 0.5, JSON.stringify(metrics.size_bytes))
    assert.ok(job.cost && job.cost.seconds > 0.1 && job.cost.peak_memory_bytes! > 30e6, JSON.stringify(job.cost))
    const report = Report.parse(JSON.parse((await artifactOf(job, 'report.json')).toString()))
    assert.deepEqual(report.metrics, metrics)
    const plan = JSON.parse((await artifactOf(job, 'plan.json')).toString()) as PlanDocument
    assert.ok(plan.nodes.every(({ reason }) => reason.length > 0))
    await requireShown(job)
  })

  /** A browser shows the page where it is, and runs and loads nothing for it. */
  async function requireShown({ id, artifacts }: Job): Promise<void> {
    const page = artifacts.find(({ name }) => name === 'report.html')
    for (const path of [`/v1/jobs/${id}/report`, `/v1/artifacts/${page?.id}/content`]) {
      const answer = await fetch(service.url + path, { headers: { accept: 'text/html,*/*;q=0.8' } })
      assert.match(await answer.text(), /<h1>static for cpu-int8<\/h1>/)
      const field = (name: string) => answer.headers.get(name) ?? ''
      assert.match(field('content-disposition'), /^inline; filename="report.html"$/)
      assert.equal(field('x-content-type-options'), 'nosniff')
      assert.match(field('content-security-policy'), /^default-src 'none'; style-src 'unsafe-inline'; /)
      assert.doesNotMatch(field('content-security-policy'), /script|https?:/)
    }
  }

  test('one data set calibrates with one part and judges with the other', async () => {
    const dataset_id = await create(service.url, 'datasets', randomData(80, IMAGE, { classes: CLASSES }))
    const request = { calibration: { dataset_id, part: 'others' }, evaluation: { dataset_id, part: 'held_out' } }
    const { metrics } = await finished(service.url, (await startJob(service.url, request)).id)
    assert.deepEqual([metrics?.accuracy?.samples, metrics?.fidelity?.measured_on], [40, 'evaluation'])
  })

  test('a data set of pictures in folders calibrates and judges, decoded where the model is loaded', async () => {
    const spec = JSON.stringify({ images: { input: 'x', resize: [16, 16] } })
    const archive = await pictureArchive(CLASSES, 6)
    const { status, body } = await upload<{ id: string; samples: number; arrays: { shape: number[] }[] }>(
      `${service.url}/v1/datasets`,
      archive,
      { spec },
    )
    assert.deepEqual([status, body.samples, body.arrays[0]?.shape], [201, 6 * CLASSES, [6 * CLASSES, ...IMAGE]])
    const request = { calibration: { dataset_id: body.id }, evaluation: { dataset_id: body.id } }
    const job = await finished(service.url, (await startJob(service.url, request)).id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.deepEqual([job.metrics?.accuracy?.metric, job.metrics?.accuracy?.samples], ['top1', 6 * CLASSES])
  })

  test('the artifact loads in ONNX Runtime and keeps its signature', async () => {
    const job = await finished(service.url, (await startJob(service.url)).id)
    const directory = await mkdtemp(join(tmpdir(), 'fewbit-artifact-'))
    try {
      const path = join(directory, 'model.onnx')
      await writeFile(path, await artifactOf(job, 'model.onnx'))
      const session = await openRuntime(1).load(path, { optimization: 'all' })
      assert.deepEqual([session.inputs[0]?.name, session.outputs[0]?.name], ['x', 'y'])
      const feeds = { x: { dtype: 'float32' as const, dims: [2, ...IMAGE], data: new Float32Array(2 * 3 * 16 * 16) } }
      const { y } = await session.run(feeds)
      assert.deepEqual(y?.dims, [2, CLASSES])
      await session.release()
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('dynamic needs no data; without data the fidelity says that its input was made up', async () => {
    const request = { method: { type: 'dynamic' }, calibration: undefined }
    const job = await finished(service.url, (await startJob(service.url, request, mlp())).id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.ok(job.metrics!.fidelity!.sqnr_db > 20)
    assert.ok(job.warnings.some(({ code }) => code === 'synthetic_inputs'))
  })

  test('float16 halves the file and stays close', async () => {
    const request = { target: 'gpu-float16', method: { type: 'float16' } }
    const job = await finished(service.url, (await startJob(service.url, request, convNet({ width: 32 }))).id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.ok(job.metrics!.fidelity!.sqnr_db > 45)
    assert.ok(job.metrics!.size_bytes.ratio < 0.6)
  })

  test('an excluded node stays float and the plan says so', async () => {
    const request = { exclude: { nodes: ['block'], op_types: [] } }
    const job = await finished(service.url, (await startJob(service.url, request)).id)
    const plan = JSON.parse((await artifactOf(job, 'plan.json')).toString()) as PlanDocument
    assert.deepEqual(
      plan.nodes.filter(({ node }) => node === 'block').map(({ quantized, reason }) => [quantized, reason]),
      [[false, 'excluded by the request']],
    )
  })

  test('a goal that was missed is a warning on a job that succeeded', async () => {
    const job = await finished(service.url, (await startJob(service.url, { goals: { min_speedup: 1000 } })).id)
    assert.equal(job.status, 'succeeded')
    assert.ok(job.warnings.some(({ code, detail }) => code === 'goal_not_met' && detail.includes('1000')))
  })

  test('a dry run answers what would happen and makes no job', async () => {
    const model_id = await create(service.url, 'models', convNet())
    const before = await call<{ data: unknown[] }>(`${service.url}/v1/jobs?model_id=${model_id}&limit=100`)
    const dataset_id = await create(service.url, 'datasets', randomData(10, [7]))
    const request = { model_id, target: 'cpu-int8', method: { type: 'static' }, calibration: { dataset_id } }
    const { status, body } = await post<{ valid: boolean; violations: { code: string; pointer: string }[] }>(
      `${service.url}/v1/jobs?dry_run=true`,
      request,
    )
    assert.equal(status, 200)
    assert.equal(body.valid, false)
    assert.deepEqual(
      body.violations.map(({ code, pointer }) => [code, pointer]),
      [['dataset_mismatch', '/calibration/dataset_id']],
    )
    const later = await call<{ data: unknown[] }>(`${service.url}/v1/jobs?model_id=${model_id}&limit=100`)
    assert.equal(later.body.data.length, before.body.data.length)
  })

  test('the events of a job are the same as a list and as a stream, which resumes without gap', async () => {
    const job = await startJob(service.url)
    const stream = await fetch(`${service.url}/v1/jobs/${job.id}/events`, { headers: { accept: 'text/event-stream' } })
    const frames = (await stream.text()).split('\n\n').filter((frame) => frame.includes('data:'))
    const idOf = (frame: string) => /^id: ?(.*)$/m.exec(frame)?.[1]
    const listed = await call<{ data: { id: string; type: string }[] }>(
      `${service.url}/v1/jobs/${job.id}/events?limit=100`,
    )
    assert.deepEqual(
      frames.map(idOf),
      listed.body.data.map(({ id }) => id),
    )
    assert.equal(listed.body.data[0]?.type, 'job.queued')
    assert.equal(listed.body.data.at(-1)?.type, 'job.succeeded')
    const resumed = await fetch(`${service.url}/v1/jobs/${job.id}/events`, {
      headers: { accept: 'text/event-stream', 'last-event-id': listed.body.data[1]!.id },
    })
    const rest = (await resumed.text()).split('\n\n').filter((frame) => frame.includes('data:'))
    assert.deepEqual(
      rest.map(idOf),
      listed.body.data.slice(2).map(({ id }) => id),
    )
  })

  test('data that does not fit the model is refused before a job, with the input and both shapes', async () => {
    const dataset_id = await create(service.url, 'datasets', randomData(10, [7]))
    const model_id = await create(service.url, 'models', mlp())
    const request = { model_id, target: 'cpu-int8', method: { type: 'static' }, calibration: { dataset_id } }
    const { status, body } = await post<{ code: string; errors: { pointer: string; detail: string }[] }>(
      `${service.url}/v1/jobs`,
      request,
    )
    assert.equal(status, 422)
    assert.equal(body.code, 'dataset_mismatch')
    assert.match(body.errors[0]!.detail, /x is \[N, 8\].*\[7\]/)
  })
})
