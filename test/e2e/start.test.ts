/** `npm start`: one command runs everything, keeps it running, and leaves nothing behind. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { call, finished, startJob } from '../kit/client.ts'
import { descendantsOf, isAlive, leashed } from '../kit/processes.ts'
import { until } from '../kit/service.ts'

const ENTRY = join(import.meta.dirname, '..', '..', 'workers', 'dev.js')
const NAMES = { redis: 'redis-server', api: 'server.js', worker: 'main.js', notify: 'notify.js' }

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fewbit-start-'))
})
after(() => rm(directory, { recursive: true, force: true }))

interface Start {
  child: ChildProcess
  said(): string
  /** where it listens */
  url(): Promise<string>
}

function start(t: TestContext, env: Record<string, string>): Start {
  // another PATH would not find the leash
  const [file, ...args] = env.PATH ? [process.execPath, ENTRY] : leashed([process.execPath, ENTRY])
  const child = spawn(file!, args, {
    env: { PATH: process.env.PATH, TMPDIR: directory, PORT: '0', DATA_DIR: directory, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  t.after(() => end(child, 'SIGKILL'))
  const listening = () => /^Fewbit is listening on (\S+)$/m.exec(said)?.[1]
  return {
    child,
    said: () => said,
    async url() {
      await until(() => listening() !== undefined || child.exitCode !== null, 'it does not listen')
      return listening() ?? assert.fail(said)
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  return child.exitCode
}

async function memberOf(parent: number, script: string): Promise<number | undefined> {
  const children = await descendantsOf(parent)
  return children.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(script)
    } catch {
      return false
    }
  })
}

test('runs a job; a member that is killed comes back at the same address; SIGTERM ends all of them', async (t) => {
  const { child, said, url: listens } = start(t, {})
  const url = await listens()
  const pid = child.pid!
  assert.equal((await finished(url, (await startJob(url)).id)).status, 'succeeded')
  for (const [name, script] of Object.entries(NAMES)) {
    const member = await memberOf(pid, script)
    assert.ok(member, `no ${name}`)
    process.kill(member, 'SIGKILL')
    const isBack = async () => ((await memberOf(pid, script)) ?? member) !== member
    await until(isBack, `${name} is not started again`)
  }
  await until(async () => (await call(`${url}/readyz`).catch(() => null))?.status === 200, 'it is not ready again')
  assert.equal((await finished(url, (await startJob(url)).id)).status, 'succeeded')
  assert.equal(said().match(/is listening on/g)?.length, 1)
  const members = await descendantsOf(pid)
  assert.ok(members.length >= 4)
  const asked = performance.now()
  assert.equal(await end(child, 'SIGTERM'), 0)
  t.diagnostic(`stopped in ${Math.round(performance.now() - asked)} ms`)
  assert.ok(performance.now() - asked < 10_000, `${performance.now() - asked} ms`)
  assert.deepEqual(members.filter(isAlive), [])
})

test('what was accepted before a stop is there after the next start', async (t) => {
  const first = start(t, {})
  const { id } = await startJob(await first.url())
  await end(first.child, 'SIGINT')
  const url = await start(t, {}).url()
  assert.equal((await finished(url, id)).status, 'succeeded')
})

test('nothing survives its kill -9', { skip: spawnSync('setpriv', ['--version']).error && 'no setpriv' }, async (t) => {
  const { child, url } = start(t, {})
  await url()
  const members = await descendantsOf(child.pid!)
  assert.ok(members.length >= 4)
  await end(child, 'SIGKILL')
  await until(() => members.filter(isAlive).length === 0, 'orphans')
})

test('what is missing is said in one line, with what to do', async (t) => {
  const failure = async (env: Record<string, string>) => {
    const { child, said } = start(t, env)
    await until(() => child.exitCode !== null, 'it goes on')
    assert.equal(child.exitCode, 1)
    assert.equal(said().trim().split('\n').length, 1, said())
    return said()
  }
  assert.match(await failure({ PATH: '/nonexistent' }), /redis-server is not installed: apt-get install/)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  assert.match(await failure({ PORT: String(port) }), new RegExp(`port ${port} of 127.0.0.1 is in use.*set PORT`))
})

test('a second one on the same data is refused, also where the path is too long for a socket', async (t) => {
  for (const DATA_DIR of [directory, join(directory, 'x'.repeat(120))]) {
    const first = start(t, { DATA_DIR })
    await first.url()
    const second = start(t, { DATA_DIR })
    await until(() => second.child.exitCode !== null, 'a second one runs')
    assert.match(second.said(), /another Fewbit runs on/)
    await end(first.child, 'SIGTERM')
  }
})
