/** Benches without their data end with a failure that says what they want, and know nothing of tests and examples but makers of models. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT } from './blocks.ts'

const BENCH = join(ROOT, 'bench')
const sources = readdirSync(BENCH, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

/** Suites that measure on models of their own making need none. */
const WANTING = [
  'detect',
  'edge-cases',
  'four-bits',
  'ptq-or-qat/main',
  'qat',
  'qat-try',
  'refine',
  'run',
  'steps',
  'targets',
]

function run(suite: string, models: string | undefined) {
  const { FEWBIT_MODELS: _, ...env } = process.env
  const given = models === undefined ? env : { ...env, FEWBIT_MODELS: models }
  const script = join(ROOT, 'dist', 'bench', 'suites', `${suite}.js`)
  return spawnSync(process.execPath, [script], { encoding: 'utf8', env: given })
}

describe('a bench', () => {
  for (const suite of WANTING)
    test(`${suite} says what it wants where the models' place is not named`, () => {
      const { status, stderr } = run(suite, undefined)
      assert.equal(status, 1)
      assert.equal(
        stderr,
        'This bench wants FEWBIT_MODELS to name a directory with one folder per model; it is not set.\n',
      )
    })

  test('names the file that is missing', () => {
    const empty = mkdtempSync(join(tmpdir(), 'no-models-'))
    const { status, stderr } = run('four-bits', empty)
    rmSync(empty, { recursive: true })
    assert.equal(status, 1)
    assert.match(stderr, /^This bench wants .*bert-tiny-sst2.*model\.onnx\.$/m)
  })

  test('imports nothing from examples, and of the tests only what makes models and archives', () => {
    assert.ok(sources.length > 20)
    for (const name of sources)
      assert.doesNotMatch(
        readFileSync(join(BENCH, name), 'utf8'),
        /from '(\.\.\/)+(examples|test\/(?!kit\/(model|npz)\.ts))/,
        name,
      )
  })
})
