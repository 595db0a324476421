/** Faults of machines under an attempt: the job is tried again, or finished when the fault is over, and says what it met. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { access, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { asFewbitError } from '../../../src/engine/errors.ts'
import { asFault } from '../../../workers/attempt/faults.ts'
import { runJob } from '../../../workers/attempt/run-job.ts'
import type { Settled } from '../../../workers/attempt/settle.ts'
import { errorOfExit } from '../../../workers/process/exit.ts'
import { watchKernelKills } from '../../../workers/process/kernel-kills.ts'
import type { Sandbox } from '../../../workers/process/sandbox.ts'
import { type Api, startApi } from '../../kit/api.ts'
import { call, getJob, startJob } from '../../kit/client.ts'
import { eventsOf, terminalEvents } from '../../kit/lasting-jobs.ts'
import { mlp } from '../../kit/model.ts'
import { until } from '../../kit/service.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..', '..')
const RUNNER = join(ROOT, 'dist', 'workers', 'runner.js')
/** faults do not depend on walls, which would hide the gate from the runner */
const sandbox: Sandbox = {
  name: 'rlimits',
  gaps: [],
  confine: async (command) => ({
    command: [...command],
    filter: null,
    marks: { limit: null, user: null },
    end: async () => {},
  }),
}
const NEVER = new AbortController().signal

describe('a fault of the machine', () => {
  let api: Api
  let scratch: string
  before(async () => {
    api = await startApi()
    scratch = await mkdtemp(join(tmpdir(), 'fewbit-faults-'))
  })
  after(async () => {
    await api.close()
    await rm(scratch, { recursive: true })
  })

  const accept = async (request: object = {}) => {
    const dynamic = { method: { type: 'dynamic' }, calibration: undefined, ...request }
    return (await startJob(api.url, dynamic, mlp())).id
  }
  /** `first`: a shell command that runs when the inputs lie in the job's directory, before the engine starts. */
  const run = (id: string, first = 'true', signal = NEVER): Promise<Settled> => {
    const runner = ['/bin/sh', '-c', `${first}; exec "${process.execPath}" "${RUNNER}"`]
    return runJob(api.deps, { sandbox, runner }, id, signal)
  }
  /** Holds the runner between the placing of its inputs and its start, while `work` is done. */
  const runAfter = async (id: string, work: () => Promise<unknown>, signal = NEVER) => {
    const gate = join(scratch, id)
    const running = run(id, `touch '${gate}'; while [ -e '${gate}' ]; do sleep 0.1; done`, signal)
    await until(
      () =>
        access(gate).then(
          () => true,
          () => false,
        ),
      'the runner does not start',
      60_000,
    )
    await work()
    await rm(gate)
    return running
  }
  const takeStore = () => rename(store(), away())
  const store = () => join(api.redis.directory, 'store')
  const away = () => join(api.redis.directory, 'store-away')
  const retries = async (id: string) =>
    (await eventsOf(api, id)).filter(({ type }) => type === 'job.retrying').map(({ data }) => data.code)
  const outcomeOf = async (id: string) => {
    const { status, error, attempt } = await getJob(api.url, id)
    return [status, error?.code, attempt]
  }
  const isWhole = async (id: string) => {
    for (const artifact of (await getJob(api.url, id)).artifacts)
      assert.equal((await call(`${api.url}/v1/artifacts/${artifact.id}/content`)).status, 200)
    assert.deepEqual(await terminalEvents(api, id), ['job.succeeded'])
  }

  test('a store that is gone when the job ends: its work is published when the store is back', async () => {
    const id = await accept()
    const giveBack = delay(8000).then(() => rename(away(), store()))
    assert.equal(await runAfter(id, takeStore), 'done')
    await giveBack
    assert.deepEqual(await outcomeOf(id), ['succeeded', undefined, 1])
    await isWhole(id)
  })

  test('a store that is gone when the job starts: it waits, longer each time, and runs', async () => {
    const id = await accept()
    await rename(store(), away())
    assert.equal((await call(`${api.url}/readyz`)).status, 503)
    assert.deepEqual(await run(id), { againAfterMs: 1000 })
    assert.deepEqual(await run(id), { againAfterMs: 2000 })
    assert.deepEqual(await outcomeOf(id), ['queued', undefined, 2])
    await rename(away(), store())
    assert.equal(await run(id), 'done')
    assert.deepEqual(await retries(id), ['store_unavailable', 'store_unavailable'])
    await isWhole(id)
  })

  test('that outlasts the time that the job may wait: it fails, and says with what', async () => {
    const id = await accept({ limits: { max_queue_seconds: 1 } })
    await rename(store(), away())
    assert.deepEqual(await run(id), { againAfterMs: 1000 })
    assert.equal(await run(id), 'done')
    await rename(away(), store())
    assert.deepEqual(await outcomeOf(id), ['failed', 'store_unavailable', 2])
    assert.equal((await getJob(api.url, id)).error?.retryable, true)
  })

  test('Redis away at the end for longer than a minute: the finished work is published', async () => {
    const id = await accept()
    const giveBack = delay(70_000).then(() => api.redis.start())
    assert.equal(await runAfter(id, () => api.redis.kill('SIGKILL')), 'done')
    await giveBack
    assert.deepEqual(await outcomeOf(id), ['succeeded', undefined, 1])
    await isWhole(id)
  })

  test('a job that is canceled while its work waits for the store ends canceled', async () => {
    const id = await accept()
    const canceled = delay(8000).then(() => call(`${api.url}/v1/jobs/${id}/cancel`, { method: 'POST' }))
    assert.equal(await runAfter(id, takeStore), 'done')
    assert.equal((await canceled).status, 202)
    await rename(away(), store())
    assert.equal((await getJob(api.url, id)).status, 'canceled')
  })

  test('a worker that stops while its work waits for the store gives the job back', async () => {
    const id = await accept()
    const stop = new AbortController()
    const stopped = delay(8000).then(() => stop.abort('shutdown'))
    assert.deepEqual(await runAfter(id, takeStore, stop.signal), { againAfterMs: 0 })
    await stopped
    await rename(away(), store())
    assert.equal(await run(id), 'done')
    await isWhole(id)
  })

  test('a runner that somebody kills is tried again, five times at most', async () => {
    const id = await accept()
    const delays: Settled[] = []
    for (let attempt = 0; attempt < 5; attempt++) delays.push(await run(id, 'kill -9 $$'))
    assert.deepEqual(delays.slice(0, 2), [{ againAfterMs: 1000 }, { againAfterMs: 2000 }])
    assert.equal(delays.at(-1), 'done')
    assert.deepEqual(await outcomeOf(id), ['failed', 'runner_killed', 5])
  })

  test('a job directory that cannot be made', async () => {
    const id = await accept()
    const jobs = join(api.redis.directory, 'jobs')
    await rm(jobs, { recursive: true, force: true })
    await writeFile(jobs, 'no directory')
    assert.deepEqual(await run(id), { againAfterMs: 1000 })
    await rm(jobs)
    assert.equal(await run(id), 'done')
    assert.deepEqual(await retries(id), ['disk_failed'])
  })

  test('killed by somebody and by the kernel are two answers', async () => {
    const exit = { code: null, signal: 'SIGKILL' as const, stderr: '' }
    assert.equal(errorOfExit({ ...exit, byKernel: false }).code, 'runner_killed')
    assert.equal(errorOfExit({ ...exit, byKernel: true }).code, 'machine_out_of_memory')
    let count = 3
    const kills = watchKernelKills(() => count)
    assert.equal(kills.recent(), false)
    count++
    assert.equal(kills.recent(), true)
    await delay(2500)
    assert.equal(kills.recent(), false, 'a kill of some seconds ago explains nothing')
    kills.close()
  })

  test('a full disk is called by its name, in the engine and in the worker', () => {
    try {
      writeFileSync('/dev/full', 'x')
      assert.fail('there was room')
    } catch (error) {
      assert.equal(asFewbitError(error, 'packaging').code, 'disk_full')
      assert.equal(asFault(error).code, 'disk_full')
    }
  })
})
