/** action.yml: its script run as a workflow would, and how it judges. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { type Finding, judge, type Limits } from '../../src/cli/action/judge.ts'
import type { Metrics } from '../../src/contract/report.ts'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const ACTION = parse(readFileSync(join(ROOT, 'action.yml'), 'utf8'))
const [STEP] = ACTION.runs.steps

let directory: string
const file = (name: string) => join(directory, name)
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'action-test-'))
  mkdirSync(file('bin'))
  // npx --yes fewbit@<version> <words>
  const main = join(ROOT, 'dist', 'src', 'cli', 'main.js')
  writeFileSync(
    file('bin/npx'),
    `#!/bin/sh\n[ "$1 $2" = "--yes fewbit@1.2.3" ] || exit 9\nshift 2\nexec ${process.execPath} ${main} "$@"\n`,
  )
  chmodSync(file('bin/npx'), 0o755)
  writeFileSync(file('my model.onnx'), mlp())
  writeFileSync(file('data.npz'), randomData(40, [8], { classes: 4 }))
})
after(() => rmSync(directory, { recursive: true }))

/** Fills `${{ inputs.x }}` as a workflow does. */
function filled(inputs: Record<string, string>): Record<string, string> {
  const givenFor = (name: string) => inputs[name] ?? ACTION.inputs[name].default ?? ''
  return Object.fromEntries(
    Object.entries(STEP.env as Record<string, string>).map(([name, text]) => [
      name,
      text.replace(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, input: string) => givenFor(input)),
    ]),
  )
}

function run(inputs: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }> {
  const own = { GITHUB_STEP_SUMMARY: file('summary.md'), GITHUB_OUTPUT: file('output.txt'), TMPDIR: directory }
  const PATH = `${file('bin')}${delimiter}${process.env.PATH}`
  const env = { PATH, ...own, ...filled({ version: '1.2.3', ...inputs }) }
  return new Promise((resolve) => {
    execFile('bash', ['-eo', 'pipefail', '-c', STEP.run], { cwd: directory, env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

describe('action.yml', () => {
  test('hands every input over, and promises outputs that are written', async () => {
    const handed = Object.values(STEP.env as Record<string, string>).map((text) => /inputs\.([\w-]+)/.exec(text)?.[1])
    assert.deepEqual(handed.sort(), Object.keys(ACTION.inputs).sort())
    const inputs = { model: 'my model.onnx', calibration: 'data.npz', evaluation: 'data.npz', 'max-accuracy-drop': '1' }
    const { code, stderr } = await run({ ...inputs, 'max-size-ratio': '2', options: 'observer=minmax', output: 'made' })
    assert.equal(code, 0, stderr)
    const written = readFileSync(file('output.txt'), 'utf8').trim().split('\n')
    assert.deepEqual(written.map((line) => line.split('=')[0]).sort(), Object.keys(ACTION.outputs).sort())
    assert.ok(written.includes('directory=made') && written.includes('passed=true'), written.join('\n'))
    assert.ok(existsSync(file('made/model.onnx')))
    assert.match(
      readFileSync(file('summary.md'), 'utf8'),
      /^### Fewbit: cpu-int8, static[\s\S]*\| size \| .* → [\s\S]*- ✅ The top1 drop/,
    )
  })

  test('fails beyond a limit, and says so on the page', async () => {
    const { code, stdout } = await run({ model: 'my model.onnx', method: 'dynamic', 'max-size-ratio': '0.001' })
    assert.equal(code, 1)
    assert.match(stdout, /^::error title=Fewbit::The artifact has .* too large\.$/m)
  })

  const WRONG: [string, Record<string, string>, RegExp][] = [
    ['a model that is not there', { model: 'nowhere.onnx' }, /there is no file nowhere\.onnx/],
    ['a limit that is no number', { model: 'my model.onnx', 'min-speedup': 'fast' }, /min-speedup is "fast"/],
    ['words that would be options', { model: '--help' }, /there is no file --help/],
    ['no model', { model: '' }, /the input model is empty/],
  ]
  for (const [what, inputs, words] of WRONG)
    test(`${what} fails in words`, async () => {
      const { code, stderr } = await run(inputs)
      assert.notEqual(code, 0)
      assert.match(stderr, words)
    })
})

describe('the limit of an accuracy that has an interval', () => {
  const metrics = (drop: number, ci95: [number, number]) =>
    ({
      accuracy: { metric: 'top1', float: 0.9, quantized: 0.9 - drop, drop, ci95, samples: 500 },
      size_bytes: { ratio: 0.3 },
    }) as unknown as Metrics
  const CASES: [string, number, [number, number], boolean, Finding['level']][] = [
    ['within it', 0.002, [-0.004, 0.008], false, 'notice'],
    ['within it, the interval not', 0.008, [-0.002, 0.018], false, 'notice'],
    ['beyond it, perhaps by chance', 0.012, [0.002, 0.022], false, 'warning'],
    ['beyond it, perhaps by chance, strictly', 0.012, [0.002, 0.022], true, 'error'],
    ['beyond it for certain', 0.03, [0.02, 0.04], false, 'error'],
  ]
  for (const [what, drop, ci95, isStrict, level] of CASES)
    test(what, () => {
      const limits: Limits = { maxAccuracyDrop: 0.01, isStrict }
      assert.deepEqual(
        judge(metrics(drop, ci95), limits).map((one) => one.level),
        [level],
      )
    })

  test('cannot be kept where nothing was measured', () => {
    const none = { size_bytes: { ratio: 0.3 } } as Metrics
    const levels = judge(none, { maxAccuracyDrop: 0.01, minSpeedup: 1, isStrict: false }).map(({ level }) => level)
    assert.deepEqual(levels, ['error', 'error'])
  })
})
