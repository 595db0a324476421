/** Jobs over HTTP while no worker runs: what is refused, how they are listed, and which formats their events have. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post } from '../kit/client.ts'
import { convNet, mlp } from '../kit/model.ts'

interface Problem {
  code: string
  errors?: { pointer: string; code: string; detail: string }[]
}
interface Page {
  data: Job[]
  has_more: boolean
  next_cursor: string | null
}

const MAX_QUEUED_JOBS = 6

describe('jobs', () => {
  let api: Api
  let models: string[]
  before(async () => {
    api = await startApi({ MAX_QUEUED_JOBS: String(MAX_QUEUED_JOBS) })
    models = [await create(api.url, 'models', mlp()), await create(api.url, 'models', convNet())]
  })
  after(() => api.close())

  const dynamic = (model_id: string | undefined, more: object = {}) =>
    post<Job & Problem>(`${api.url}/v1/jobs`, { model_id, target: 'cpu-int8', method: { type: 'dynamic' }, ...more })
  const list = (query: string) => call<Page>(`${api.url}/v1/jobs?${query}`)

  test('a webhook to a private address, a port or a scheme that is not allowed is refused with the job', async () => {
    for (const url of [
      'https://127.0.0.1/x',
      'https://10.0.0.7/x',
      'http://example.org/x',
      'https://example.org:6379/',
    ]) {
      const { status, body } = await dynamic(models[0], { webhook: { url } })
      assert.deepEqual([status, body.code, body.errors?.[0]?.pointer], [422, 'invalid_request', '/webhook/url'], url)
    }
    const dry = await post<{ valid: boolean }>(`${api.url}/v1/jobs?dry_run=true`, {
      model_id: models[0],
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      webhook: { url: 'https://localhost/x' },
    })
    assert.deepEqual([dry.status, dry.body.valid], [200, false])
    assert.equal((await list('')).body.data.length, 0)
  })

  test('the list filters by status, model and method, and pages without gap or repetition', async () => {
    const ids: string[] = []
    for (const model of [0, 0, 1, 0, 0]) ids.push((await dynamic(models[model])).body.id)
    await post(`${api.url}/v1/jobs/${ids[0]}/cancel`, {})
    const idsOf = ({ body }: { body: Page }) => body.data.map(({ id }) => id)
    assert.deepEqual(idsOf(await list('')), ids.toReversed())
    assert.deepEqual(idsOf(await list('status=canceled')), [ids[0]])
    assert.deepEqual(idsOf(await list(`model_id=${models[1]}`)), [ids[2]])
    assert.deepEqual(idsOf(await list('method=static')), [])
    assert.deepEqual(idsOf(await list(`created_after=${new Date(Date.now() + 60_000).toISOString()}`)), [])
    const seen: string[] = []
    for (let after: string | null = ''; after !== null; ) {
      const page: { body: Page } = await list(`model_id=${models[0]}&limit=3${after && `&after=${after}`}`)
      seen.push(...idsOf(page))
      assert.equal(page.body.has_more, page.body.next_cursor !== null)
      after = page.body.next_cursor
    }
    assert.deepEqual(seen, [ids[4], ids[3], ids[1], ids[0]])
    for (const query of ['after=nonsense', 'limit=0', 'status=asleep', 'created_after=yesterday']) {
      const { status, headers } = await list(query)
      assert.equal(status, 422, query)
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
    }
  })

  test('one job more than may be unfinished is 429, and a canceled one makes room', async () => {
    for (;;) {
      const { data } = (await list('status=queued&limit=100')).body
      if (data.length === MAX_QUEUED_JOBS) break
      assert.equal((await dynamic(models[0])).status, 202)
    }
    const refused = await dynamic(models[0])
    assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_jobs'])
    assert.ok(refused.headers.get('retry-after'))
    const { data } = (await list('status=queued&limit=1')).body
    await post(`${api.url}/v1/jobs/${data[0]!.id}/cancel`, {})
    assert.equal((await dynamic(models[0])).status, 202)
  })

  test('events come as JSON or as a stream, whichever is preferred; anything else is 406', async () => {
    const { data } = (await list('status=canceled&limit=1')).body
    const url = `${api.url}/v1/jobs/${data[0]!.id}/events`
    const typeFor = async (accept: string) => (await fetch(url, { headers: { accept } })).headers.get('content-type')
    assert.match((await typeFor('*/*'))!, /^application\/json/)
    assert.match((await typeFor('text/event-stream'))!, /^text\/event-stream/)
    assert.match((await typeFor('application/json;q=0.1, text/*;q=0.9'))!, /^text\/event-stream/)
    assert.match((await typeFor('text/event-stream;q=0, */*;q=0.1'))!, /^application\/json/)
    const refused = await call<Problem>(url, { headers: { accept: 'image/png' } })
    assert.deepEqual([refused.status, refused.body.code], [406, 'not_acceptable'])
  })

  test('events are read in pages, behind any event; an id that is none is refused', async () => {
    const { data } = (await list('status=canceled&limit=1')).body
    const url = `${api.url}/v1/jobs/${data[0]!.id}/events`
    const first = await call<{ data: { id: string; type: string }[]; next_cursor: string }>(`${url}?limit=1`)
    assert.deepEqual(
      first.body.data.map(({ type }) => type),
      ['job.queued'],
    )
    const rest = await call<{ data: { type: string }[] }>(`${url}?after=${first.body.next_cursor}`)
    assert.deepEqual(
      rest.body.data.map(({ type }) => type),
      ['job.canceled'],
    )
    assert.equal((await call(`${url}?after=evt_x`)).status, 422)
  })

  test('the report of a job that is not finished is 409, of one that made none 404', async () => {
    const { data } = (await list('status=queued&limit=1')).body
    const early = await call<Problem>(`${api.url}/v1/jobs/${data[0]!.id}/report`)
    assert.deepEqual([early.status, early.body.code], [409, 'job_not_finished'])
    const canceled = (await list('status=canceled&limit=1')).body.data[0]!
    assert.equal((await call(`${api.url}/v1/jobs/${canceled.id}/report`)).status, 404)
  })
})
