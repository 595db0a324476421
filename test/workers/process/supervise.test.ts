/** Runners that misbehave: whatever they do, the supervisor says what it was, and no process is left. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { RunnerMessage, RunnerSpec } from '../../../src/contract/runner-protocol.ts'
import type { Confined } from '../../../workers/process/confine.ts'
import type { Limits } from '../../../workers/process/limits.ts'
import { messageReader } from '../../../workers/process/read-messages.ts'
import { type Ending, supervise } from '../../../workers/process/supervise.ts'
import { isAlive } from '../../kit/processes.ts'
import { until } from '../../kit/service.ts'

const LIMITS: Limits = { seconds: 20, memoryBytes: 512 << 20, outputBytes: 1 << 20, threads: 1 }
const SPEC = { model: 'model.onnx', output: 'out', threads: 1 } as RunnerSpec
const HANG = 'setInterval(() => {}, 1000);'
const unconfined = (command: string[]): Confined => ({
  command,
  filter: null,
  marks: { limit: null, user: null },
  end: async () => {},
})

describe('a runner', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fewbit-runner-'))
    await mkdir(join(directory, 'out'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const run = (
    script: string,
    how: { limits?: Partial<Limits>; signal?: AbortSignal; messages?: RunnerMessage[] } = {},
  ) =>
    supervise({
      confined: unconfined([process.execPath, '-e', `const fs = require('fs'); ${script}`]),
      directory,
      env: { PATH: process.env.PATH! },
      spec: SPEC,
      limits: { ...LIMITS, ...how.limits },
      signal: how.signal ?? new AbortController().signal,
      onMessage: (message) => how.messages?.push(message),
      onStderr: () => {},
    })
  const codeOf = (ending: Ending) => (ending.kind === 'failed' ? ending.error.code : ending.kind)
  const pidIn = async (file: string) => Number(await readFile(join(directory, file), 'utf8'))

  test('gets its spec on standard input and is over with its result, although it does not end itself', async () => {
    const messages: RunnerMessage[] = []
    const ending = await run(
      `process.stdin.once('data', (line) => {
        const { model } = JSON.parse(line)
        fs.writeSync(3, JSON.stringify({ type: 'warning', code: 'got', detail: model }) + '\\n')
        fs.writeSync(3, JSON.stringify({ type: 'result', files: [{ name: 'a.json', content_type: 'application/json' }] }) + '\\n')
      }); ${HANG}`,
      { messages },
    )
    assert.deepEqual(ending, { kind: 'finished', files: [{ name: 'a.json', content_type: 'application/json' }] })
    assert.deepEqual(messages, [{ type: 'warning', code: 'got', detail: 'model.onnx' }])
  })

  for (const [what, script, code] of [
    ['ends without a word', 'process.exit(0)', 'runner_crashed'],
    ['is killed from outside', "process.kill(process.pid, 'SIGKILL')", 'runner_killed'],
    ['is killed under bubblewrap, which makes it an exit code', 'process.exit(137)', 'runner_killed'],
    ['crashes in native code', "process.kill(process.pid, 'SIGSEGV')", 'runner_crashed'],
    ['says bad_alloc and aborts', "fs.writeSync(2, 'std::bad_alloc\\n'); process.abort()", 'out_of_memory'],
    ['uses up its processor time', "process.kill(process.pid, 'SIGXCPU')", 'time_limit'],
    ['sends what is no JSON', `fs.writeSync(3, 'hello\\n'); ${HANG}`, 'runner_crashed'],
    ['sends an unknown message', `fs.writeSync(3, '{"type":"root"}\\n'); ${HANG}`, 'runner_crashed'],
    [
      'names a file outside of its output',
      `fs.writeSync(3, '{"type":"result","files":[{"name":"../model.onnx","content_type":"a/b"}]}\\n'); ${HANG}`,
      'runner_crashed',
    ],
    [
      'makes up an error code',
      `fs.writeSync(3, '{"type":"error","code":"you_win","stage":"x","detail":"y"}\\n'); ${HANG}`,
      'quantization_failed',
    ],
    ['writes more than it may', `fs.writeFileSync('out/big', Buffer.alloc(3 << 20)); ${HANG}`, 'output_limit'],
    ['takes more memory than it may', `globalThis.kept = Buffer.alloc(700 << 20, 1); ${HANG}`, 'out_of_memory'],
  ] as const) {
    test(`that ${what}: ${code}`, async () => assert.equal(codeOf(await run(script)), code))
  }

  test('that does not start: runner_unavailable, without its path', async () => {
    const ending = await supervise({
      confined: unconfined([join(directory, 'no-such-program')]),
      directory,
      env: {},
      spec: SPEC,
      limits: LIMITS,
      signal: new AbortController().signal,
      onMessage: () => {},
      onStderr: () => {},
    }).catch((error) => ({ kind: 'failed' as const, error }))
    assert.equal(codeOf(ending), 'runner_unavailable')
    assert.ok(ending.kind === 'failed' && !ending.error.message.includes(directory))
  })

  test('that never ends is stopped at its time, ignored signals and children included', async () => {
    const ending = await run(
      `process.on('SIGTERM', () => {});
       const child = require('child_process').spawn('sleep', ['60'], { stdio: 'inherit' });
       fs.writeFileSync('child.pid', String(child.pid)); for (;;);`,
      { limits: { seconds: 1 } },
    )
    assert.equal(codeOf(ending), 'time_limit')
    const child = await pidIn('child.pid')
    await until(() => !isAlive(child), 'its child is left')
  })

  test('that computes is gone at once when it is stopped', async () => {
    const stop = new AbortController()
    const ending = run("fs.writeFileSync('own.pid', String(process.pid)); for (;;);", { signal: stop.signal })
    await until(() => pidIn('own.pid').then(Boolean, () => false), 'it does not start')
    const asked = performance.now()
    stop.abort('canceled')
    assert.deepEqual(await ending, { kind: 'stopped', reason: 'canceled' })
    assert.ok(performance.now() - asked < 1000, `${performance.now() - asked} ms`)
    assert.ok(!isAlive(await pidIn('own.pid')))
  })

  test('whose supervisor is told to stop before it starts never starts', async () => {
    const ending = await run("fs.writeFileSync('started', '')", { signal: AbortSignal.abort('shutdown') })
    assert.deepEqual(ending, { kind: 'stopped', reason: 'shutdown' })
    await assert.rejects(readFile(join(directory, 'started')))
  })
})

test('messages may be cut anywhere, in the middle of a character too', () => {
  const sent = { type: 'warning' as const, code: 'x', detail: 'nœud 猫' }
  const got: RunnerMessage[] = []
  const read = messageReader((message) => got.push(message))
  for (const byte of Buffer.from(`${JSON.stringify(sent)}\n`.repeat(2))) read(Buffer.from([byte]))
  assert.deepEqual(got, [sent, sent])
  assert.throws(() => {
    for (let i = 0; i < 32; i++) read(Buffer.alloc(1 << 16, 'a'))
  }, /line without end/)
})
