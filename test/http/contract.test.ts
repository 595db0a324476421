/** Every operation of openapi.yaml, called with its examples and with strange ones: what is answered is always what the document says. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { type Api, startApi } from '../kit/api.ts'
import { create, post } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { finishAsWorker } from '../kit/finished-job.ts'
import { convNet, IMAGE } from '../kit/model.ts'
import { type Body, type Call, openapi, operationsOf, pointerOfBody, problemWith, resolve } from '../kit/openapi.ts'
import { type Filling, type Request, requestsOf } from '../kit/strange-requests.ts'

/** another seed tries other values, and more of them find more */
const SEED = Number(process.env.CONTRACT_SEED ?? 1)
const VALUES = Number(process.env.CONTRACT_VALUES ?? 1)
const AT_ONCE = 8

const KINDS: Record<string, string> = {
  models: 'mdl',
  datasets: 'ds',
  jobs: 'job',
  artifacts: 'art',
  'webhook-endpoints': 'whe',
  uploads: 'upl',
  'api-keys': 'key',
  comparisons: 'cmp',
}

describe(`the contract (CONTRACT_SEED=${SEED})`, () => {
  let api: Api
  let ids: Record<string, string>
  before(async () => {
    api = await startApi({ MAX_QUEUED_JOBS: '100000' })
    ids = await populate()
  })
  after(() => api.close())

  async function populate(): Promise<Record<string, string>> {
    const made = async (path: string, body: object = {}) => (await post<{ id: string }>(api.url + path, body)).body.id
    const mdl = await create(api.url, 'models', convNet())
    const ds = await create(api.url, 'datasets', randomData(8, IMAGE))
    const job = await made('/v1/jobs', { model_id: mdl, target: 'cpu-int8', method: { type: 'dynamic' } })
    const whe = await made('/v1/webhook-endpoints', { url: 'https://example.org/hook' })
    const cmp = await made('/v1/comparisons', { model_id: mdl, targets: ['cpu-int8'], methods: [{ type: 'dynamic' }] })
    await post(`${api.url}/v1/comparisons/${cmp}/cancel`, {})
    return {
      mdl,
      ds,
      job,
      whe,
      cmp,
      art: await finishAsWorker(api.deps, job),
      dlv: await made(`/v1/webhook-endpoints/${whe}/test`),
      upl: await made('/v1/uploads', { kind: 'model', name: 'large', size_bytes: 10 }),
      key: await made('/v1/api-keys', { name: 'k', scopes: ['read'] }),
    }
  }

  const idFor = (template: string): string => ids[KINDS[template.split('/')[2] ?? ''] ?? ''] ?? 'cpu-int8'
  const random = randomSource(SEED)
  const filling: Filling = {
    localized: (text) =>
      text.replaceAll(/\b(mdl|ds|job|art|whe|dlv|upl|key|cmp)_[0-9a-z]{26}\b/g, (id, kind) => ids[kind] ?? id),
    path(template, odd = {}) {
      const values = { id: idFor(template), delivery_id: ids.dlv ?? '', code: 'not_found', n: '1', ...odd }
      return template.replaceAll(/\{(\w+)\}/g, (_, name) => values[name as keyof typeof values])
    },
    pick: (from, count = VALUES) => Array.from({ length: count }, () => from[Math.floor(random() * from.length)]!),
  }

  /** Sends, and compares the answer with what the document says of it. */
  async function check(call: Call, { path, query, headers = {}, body }: Request): Promise<void> {
    const url = `${api.url}${path}${query ? `?${query}` : ''}`
    const method = call.method.toUpperCase()
    const answer = await fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(5000),
      ...(body !== undefined && { body }),
    })
    const text = await answer.text()
    const sent = `${method} ${url} ${JSON.stringify(headers)} ${typeof body === 'string' ? body.slice(0, 600) : ''}`
    const problem = misfit(call, answer, text)
    assert.equal(problem, null, `${sent} → ${answer.status} ${text.slice(0, 600)}`)
  }

  /** What the document does not say of this answer, or null. */
  function misfit({ path, method, operation }: Call, { status, headers }: Response, text: string): string | null {
    const described = operation.responses[status]
    if (status >= 500 || !described) return `status ${status}`
    const content = resolve<Body>(described as { $ref: string }).content ?? {}
    if (text === '' && Object.keys(content).length === 0) return null
    const type = (headers.get('content-type') ?? '').split(';')[0] ?? ''
    if (!(type in content)) return `type ${type}`
    if (!type.endsWith('json')) return null
    const own = pointerOfBody(described, ['paths', path, method, 'responses', String(status)])
    return problemWith(`${own}/content/${type.replaceAll('/', '~1')}/schema`, JSON.parse(text))
  }

  let count = 0
  async function walk(call: Call): Promise<void> {
    const requests = requestsOf(call, filling)
    const take = async () => {
      for (const request of requests) {
        await check(call, request)
        count++
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, take))
  }

  // what reads comes before what changes, and what deletes comes last
  const ORDER = ['get', 'post', 'put', 'patch', 'delete']
  const calls = operationsOf(openapi.paths).toSorted((a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method))
  for (const call of calls) test(`${call.method.toUpperCase()} ${call.path}`, () => walk(call))

  test('many requests were made', (t) => {
    t.diagnostic(`${count} requests`)
    assert.ok(count > 1000, String(count))
  })
})
