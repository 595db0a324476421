/** Wake-ups: nobody who watches a job sleeps through a change, not even the first one after the start. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openChanges } from '../../src/queue/changes.ts'
import { connectFailFast, settled } from '../../src/queue/connection.ts'
import { startRedis, type TestRedis } from '../kit/redis.ts'

const LONG = 20_000

describe('changes', () => {
  let redis: TestRedis
  let publisher: ReturnType<typeof connectFailFast>
  before(async () => {
    redis = await startRedis()
    publisher = connectFailFast(redis.url)
    publisher.on('error', () => {})
    await settled(publisher)
  })
  after(async () => {
    publisher.disconnect()
    await redis.close()
  })

  const open = () => openChanges(redis.url, 'changed')
  /** Whether it resolves long before its timeout. */
  const wakes = async (next: Promise<void>) =>
    (await Promise.race([next.then(() => 'woken'), delay(1500, 'asleep')])) === 'woken'

  test('a change wakes who watches that job or all jobs, and nobody else', async () => {
    const changes = open()
    const [own, all, other] = [changes.watch('job_a'), changes.watch('*'), changes.watch('job_b')]
    await Promise.all([own, all, other].map((watch) => watch.next(LONG)))
    const [first, second, third] = [own, all, other].map((watch) => watch.next(LONG))
    await publisher.publish('changed', 'job_a')
    assert.deepEqual(await Promise.all([wakes(first!), wakes(second!), wakes(third!)]), [true, true, false])
    changes.close()
  })

  test('a change before the subscription stands, or between two waits, is not slept through', async () => {
    const changes = open()
    const watch = changes.watch('job_a')
    await publisher.publish('changed', 'job_a')
    assert.ok(await wakes(watch.next(LONG)), 'before the subscription')
    await publisher.publish('changed', 'job_a')
    await delay(50)
    assert.ok(await wakes(watch.next(LONG)), 'between two waits')
    assert.ok(!(await wakes(watch.next(LONG))), 'without a change')
    changes.close()
  })

  test('a wait ends at its time, when it is aborted, and works again after Redis was away', async () => {
    const changes = open()
    const watch = changes.watch('job_a')
    await watch.next(LONG)
    assert.ok(await wakes(watch.next(20)))
    const abort = new AbortController()
    const aborted = watch.next(LONG, abort.signal)
    abort.abort()
    assert.ok(await wakes(aborted))
    await redis.kill('SIGKILL')
    await redis.start()
    const next = watch.next(LONG)
    for (let tries = 0; tries < 50; tries++) {
      await publisher.publish('changed', 'job_a').catch(() => {})
      await delay(50)
    }
    assert.ok(await wakes(next))
    changes.close()
  })
})
