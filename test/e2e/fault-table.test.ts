/**
 * Every fault meets an upload on its way, a job that runs, one that waits and a webhook that is being delivered: whatever was accepted ends
 * once, is told under one id, has its bytes, and nothing else is left in the store.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../../src/deps.ts'
import { closeDeps, openDeps } from '../../src/open-deps.ts'
import { readConfig } from '../../src/shared/config.ts'
import { createLogger } from '../../src/shared/log.ts'
import { accountsAgree } from '../kit/accounts.ts'
import { call, create, finished, getJob, type Job, post, upload } from '../kit/client.ts'
import { halfUpload } from '../kit/half-upload.ts'
import { type Hook, openHook } from '../kit/hook.ts'
import { runnersOf, terminalEvents } from '../kit/lasting-jobs.ts'
import { DISK_FULL, FAULTS, type Ground, type MachineFault, smallDisk } from '../kit/machine-faults.ts'
import { mlp } from '../kit/model.ts'
import { startRedis } from '../kit/redis.ts'
import { startService, until } from '../kit/service.ts'

/** longer than a command waits for Redis, and than a lock holds */
const OUTAGE_MS = 4500
const SETTINGS = {
  LOCK_SECONDS: '3',
  COLLECTION_SECONDS: '2',
  WEBHOOK_ALLOW_PRIVATE: 'true',
  WEBHOOK_RETRY_SECONDS: '0.2,0.5,1,2,2,2,2,2,2',
}
/** an upload leaves 64 MiB of the store's disk free */
const DISK_MEGABYTES = 80
const END_MS = 90_000

describe('the table of faults', () => {
  let ground: Ground
  let hook: Hook
  let deps: Deps
  let disk: ReturnType<typeof smallDisk>
  let model: string
  before(async () => {
    const redis = await startRedis()
    const data = join(redis.directory, 'data')
    disk = smallDisk(data, DISK_MEGABYTES)
    ground = { data, service: await startService({ ...SETTINGS, DATA_DIR: data }, undefined, redis) }
    deps = await openDeps(
      readConfig({ ...SETTINGS, DATA_DIR: data, REDIS_URL: redis.url }),
      createLogger('silent', 'test'),
    )
    hook = await openHook()
    model = await create(ground.service.url, 'models', mlp())
  })
  after(async () => {
    hook.close()
    await closeDeps(deps)
    await ground.service.close(() => disk?.end())
  })

  const api = (path: string) => `${ground.service.url}/v1/${path}`
  const submit = () =>
    post<Job>(api('jobs'), {
      model_id: model,
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      webhook: { url: hook.url },
    })
  const accepted = async () => {
    const { status, body } = await submit()
    assert.equal(status, 202, JSON.stringify(body))
    return body.id
  }

  /** A job that is over, whose webhook waits for its answer. */
  async function delivering(): Promise<string> {
    const waiting = hook.hold()
    const id = await accepted()
    await post(api(`jobs/${id}/cancel`), {})
    await until(() => waiting() > 0, 'no delivery')
    return id
  }

  /** A job whose runner stands still; the function lets it go on, where it is still there. */
  async function running(): Promise<[string, () => void]> {
    const id = await accepted()
    await until(async () => (await runnersOf(ground.service)).length > 0, 'no runner', 30_000)
    const runners = await runnersOf(ground.service)
    signal(runners, 'SIGSTOP')
    assert.equal((await getJob(ground.service.url, id)).status, 'running')
    return [id, () => signal(runners, 'SIGCONT')]
  }

  async function endsOnce(id: string, status: string): Promise<void> {
    const job = await finished(ground.service.url, id, END_MS)
    assert.equal(job.status, status, JSON.stringify(job.error))
    assert.deepEqual(await terminalEvents(ground.service, id), [`job.${status}`])
    for (const artifact of job.artifacts)
      assert.equal((await call(api(`artifacts/${artifact.id}/content`))).status, 200, artifact.name)
    assert.equal(job.artifacts.length > 0, status === 'succeeded')
    await until(() => hook.eventsOf(id).some((event) => hook.answered.has(event)), `no webhook of ${id}`, END_MS)
    assert.equal(hook.eventsOf(id).length, 1)
  }

  let row = 0
  async function meets(fault: MachineFault): Promise<void> {
    row++
    const told = await delivering()
    const [runs, letGo] = await running()
    const waits = await accepted()
    const rest = halfUpload(api('models?name=half'), mlp(100 + row))
    await fault.strike(ground)
    const outage = delay(OUTAGE_MS)
    // refused or accepted, but answered, or the connection is lost
    const [meanwhile, uploaded] = await Promise.all([submit().catch(() => null), rest()])
    await outage
    await fault.heal(ground)
    letGo()
    hook.answer()
    await until(
      async () => (await call(`${ground.service.url}/readyz`).catch(() => null))?.status === 200,
      'not ready',
      30_000,
    )
    if (uploaded !== 201) {
      assert.ok(uploaded === 0 || uploaded >= 500, String(uploaded))
      assert.ok([200, 201].includes((await upload(api('models'), mlp(100 + row))).status))
    }
    if (meanwhile && meanwhile.status !== 202)
      assert.ok(meanwhile.status >= 500 && meanwhile.headers.get('retry-after'))
    const ids = [runs, waits, ...(meanwhile?.status === 202 ? [meanwhile.body.id] : [])]
    await Promise.all([endsOnce(told, 'canceled'), ...ids.map((id) => endsOnce(id, 'succeeded'))])
  }

  for (const [name, fault] of Object.entries(FAULTS)) test(name, () => meets(fault))

  test('a disk that is full', async (t) => {
    if (disk) await meets(DISK_FULL)
    else t.skip('this user may not mount a disk')
  })

  test('in the end the store holds what records refer to, and nothing else', () => accountsAgree(deps, END_MS))
})

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // it is gone
    }
  }
}
