/** Sends the cases to a running service as a client would: uploads them, and runs jobs on what is accepted. */

import { mlp } from '../../../test/kit/model.ts'
import { childrenOf } from '../../../workers/process/resident.ts'
import { withService } from '../../lib/service.ts'
import { type FuzzCase, openCases } from './cases.ts'
import { count, openTally, type Tally } from './run-cases.ts'
import { type Outcome, openGround } from './tries.ts'

const CLIENTS = 2
const SECONDS = 20

interface Answer {
  status: number
  text: string
  body: { id: string; code?: string; status?: string; error?: { code: string } | null }
}

/** A fault besides those of single cases: a process of the service that is another one afterwards, or a service that is not ready. */
export async function runService(seed: number, until: number): Promise<Tally> {
  const tally = openTally()
  const caseOf = openCases(seed, openGround().secret)
  await withService(async ({ url }) => {
    const plain = await send(`${url}/v1/models`, form(Buffer.from(mlp())))
    const before = await processesOf()
    let next = 0
    const client = async () => {
      while (Date.now() < until) {
        const index = next++
        count(tally, index, await tryCase(url, caseOf(index), plain.body.id))
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    const ready = await fetch(`${url}/readyz`)
    if (!ready.ok) tally.faults.push({ index: next, what: 'the service is not ready' })
    const after = await processesOf()
    if (before.some((pid) => !after.includes(pid)))
      tally.faults.push({ index: next, what: 'a process of the service died' })
  })
  return tally
}

async function tryCase(url: string, { kind, bytes }: FuzzCase, plain: string): Promise<Outcome> {
  const uploaded = await send(`${url}/v1/${kind === 'model' ? 'models' : 'datasets'}`, form(bytes))
  if (uploaded.status !== 201) return outcomeOf(uploaded)
  const request =
    kind === 'model'
      ? { model_id: uploaded.body.id, method: { type: 'dynamic' } }
      : { model_id: plain, method: { type: 'static' }, calibration: { dataset_id: uploaded.body.id } }
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ ...request, target: 'cpu-int8', limits: { max_runtime_seconds: SECONDS } })
  const created = await send(`${url}/v1/jobs`, { method: 'POST', headers, body })
  if (created.status !== 202) return outcomeOf(created)
  for (;;) {
    const job = await send(`${url}/v1/jobs/${created.body.id}`, { headers: { prefer: 'wait=30' } })
    if (job.body.status !== 'queued' && job.body.status !== 'running')
      return { ...outcomeOf(job), code: job.body.error?.code ?? job.body.status ?? `${job.status}` }
  }
}

/** A refusal must be one: whatever answers 5xx counts as internal. */
function outcomeOf({ status, text, body }: Answer): Outcome {
  const code = status >= 500 ? 'internal' : `refused: ${body.code}`
  return { code, detail: text.slice(0, 300), leaks: /root:x:0:0|fewbit-canary/.test(text) }
}

async function send(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Answer['body'] }
}

function form(bytes: Buffer): RequestInit {
  const body = new FormData()
  body.append('file', new Blob([new Uint8Array(bytes)]), 'fuzz')
  return { method: 'POST', body }
}

/** Redis, API, worker and notify; runners come and go below them. */
async function processesOf(): Promise<number[]> {
  const starters = await childrenOf(process.pid)
  return (await Promise.all(starters.map(childrenOf))).flat()
}
