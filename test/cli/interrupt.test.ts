/** Ctrl-C, signals and terminals. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { type Running, startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { endlessLoop, mlp } from '../kit/model.ts'
import { descendantsOf, isAlive } from '../kit/processes.ts'
import { until } from '../kit/service.ts'

let directory: string
const INPUTS = ['data.npz', 'endless.onnx', 'model.onnx']
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const start = (line: string): Running => startCommand(line.split(' '), { directory })

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'interrupt-test-'))
  writeFileSync(join(directory, 'model.onnx'), mlp())
  writeFileSync(join(directory, 'endless.onnx'), endlessLoop())
  writeFileSync(join(directory, 'data.npz'), randomData(60, [8]))
})
after(() => rmSync(directory, { recursive: true }))

/** Its runner, once it computes. */
async function runnerOf(running: Running, phase: RegExp): Promise<number> {
  after(() => running.child.kill('SIGKILL'))
  await until(() => phase.test(running.stderr()), 'the phase begins')
  const [runner] = await descendantsOf(running.child.pid!)
  assert.ok(runner)
  return runner
}

describe('an interrupted quantization', () => {
  test('keeps the best so far', async () => {
    const running = start('quantize model.onnx -m qat --training data.npz --epochs 10000 -o kept --threads 1')
    const runner = await runnerOf(running, /^training:/m)
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running
    assert.equal(code, 0, stderr)
    assert.match(stderr, /stopping with the best so far/)
    assert.match(stdout, /kept\/model\.onnx/)
    assert.ok(existsSync(join(directory, 'kept', 'report.json')))
    assert.ok(!isAlive(runner))
    assert.deepEqual(readdirSync(directory).sort(), [...INPUTS, 'kept'].sort())
    rmSync(join(directory, 'kept'), { recursive: true })
  })

  const endings: [string, NodeJS.Signals[], number][] = [
    ['interrupted twice', ['SIGINT', 'SIGINT'], 130],
    ['told to end', ['SIGTERM'], 143],
    ['left by its terminal', ['SIGHUP'], 129],
  ]
  for (const [what, signals, expected] of endings)
    test(`ends at once, in a native call without end too, when it is ${what}`, async () => {
      const running = start('quantize endless.onnx -m dynamic -o never')
      const runner = await runnerOf(running, /^verifying:/m)
      for (const [i, signal] of signals.entries()) {
        if (i > 0) await until(() => running.stderr().includes('stopping with the best'), 'the first is heard')
        running.child.kill(signal)
      }
      const { code, stdout } = await running
      assert.equal(code, expected)
      assert.equal(stdout, '')
      assert.ok(!isAlive(runner))
      assert.deepEqual(readdirSync(directory).sort(), INPUTS)
    })

  test('takes its runner along when it is killed', async () => {
    const running = start('quantize endless.onnx -m dynamic -o never')
    const runner = await runnerOf(running, /^verifying:/m)
    running.child.kill('SIGKILL')
    await running
    await until(() => !isAlive(runner), 'the runner has ended')
  })
})

const pseudoTerminal = spawnSync('script', ['--version']).error ? 'script is not installed' : false

test('a terminal shows a bar and colours', { skip: pseudoTerminal }, async () => {
  const command = `${process.execPath} ${MAIN} quantize model.onnx -m dynamic -o shown`
  const env = { PATH: process.env.PATH, TERM: 'xterm', TMPDIR: directory }
  const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { cwd: directory, env })
  assert.match(stdout, /█+░+/)
  assert.ok(stdout.includes('\u001b[32mwritten:'))
})
