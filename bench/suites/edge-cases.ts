/** Every crafted and odd file through the service: each must end in a clear refusal, a failed job with a clear error, or success. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { fileOf } from '../lib/models.ts'
import { withService } from '../lib/service.ts'

const ROOT = fileOf('edge-cases')
/** what nobody should ever be told about a file */
const UNCLEAR = ['internal', 'runner_crashed', 'quantization_failed', 'worker_lost']
const SECONDS = 25

interface Outcome {
  what: string
  code: string
  detail: string
}

async function send(
  url: string,
  files: Record<string, Uint8Array>,
): Promise<{ status: number; body: Record<string, string> }> {
  const form = new FormData()
  for (const [name, bytes] of Object.entries(files)) {
    form.append(name === 'file' ? 'file' : 'external', new Blob([new Uint8Array(bytes)]), name)
  }
  const response = await fetch(url, { method: 'POST', body: form })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

async function runJob(url: string, request: object): Promise<{ code: string; detail: string }> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ ...request, target: 'cpu-int8', limits: { max_runtime_seconds: SECONDS } })
  const created = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body })
  const job = (await created.json()) as { id: string; code: string; detail: string }
  if (created.status !== 202) return { code: `${created.status} ${job.code}`, detail: job.detail }
  for (;;) {
    const answer = await fetch(`${url}/v1/jobs/${job.id}`, { headers: { prefer: 'wait=30' } })
    const { status, error } = (await answer.json()) as {
      status: string
      error: { code: string; detail: string } | null
    }
    if (status !== 'queued' && status !== 'running') return { code: error?.code ?? status, detail: error?.detail ?? '' }
  }
}

async function tryModel(url: string, path: string): Promise<Outcome[]> {
  const name = basename(path).replace(/\.onnx(\.gz)?$/, '')
  const bytes = readFileSync(path)
  const side = [`${path}.data`, path.replace(/\.onnx$/, '.bin')].find(existsSync)
  const external = side ? { [basename(side)]: readFileSync(side) } : {}
  const model = await send(`${url}/v1/models`, { file: path.endsWith('.gz') ? gunzipSync(bytes) : bytes, ...external })
  if (model.status >= 400)
    return [{ what: name, code: `${model.status} ${model.body.code}`, detail: model.body.detail ?? '' }]
  const outcomes = [
    { what: `${name} dynamic`, ...(await runJob(url, { model_id: model.body.id, method: { type: 'dynamic' } })) },
  ]
  const inputs = path.replace(/\.onnx(\.gz)?$/, '.inputs.npz')
  if (!existsSync(inputs)) return outcomes
  const data = await send(`${url}/v1/datasets`, { file: readFileSync(inputs) })
  if (data.status >= 400)
    return [
      ...outcomes,
      { what: `${name} data`, code: `${data.status} ${data.body.code}`, detail: data.body.detail ?? '' },
    ]
  const request = { model_id: model.body.id, method: { type: 'static' }, calibration: { dataset_id: data.body.id } }
  return [...outcomes, { what: `${name} static`, ...(await runJob(url, request)) }]
}

const modelsIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => /\.onnx(\.gz)?$/.test(name))
    .map((name) => join(ROOT, folder, name))

await withService(async ({ url }) => {
  const unclear: Outcome[] = []
  for (const path of ['models', 'real', 'real/external-data'].flatMap(modelsIn)) {
    for (const outcome of await tryModel(url, path)) {
      console.log(`${outcome.what.padEnd(40)} ${outcome.code.padEnd(34)} ${outcome.detail.slice(0, 160)}`)
      if (UNCLEAR.some((code) => outcome.code.includes(code))) unclear.push(outcome)
    }
  }
  console.log(`\n${unclear.length} unclear outcomes`)
  if ((await fetch(`${url}/readyz`)).status !== 200) throw new Error('the service is not ready any more')
  process.exitCode = unclear.length > 0 ? 1 : 0
})
