/** Comparisons through the library: rows are judged on the same samples, and what fails is a row. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Comparison } from '../../../src/contract/comparison.ts'
import { type Compared, type ComparisonProgress, compare } from '../../../src/engine/index.ts'
import { randomData } from '../../kit/data.ts'
import { mlp } from '../../kit/model.ts'

const SAMPLES = 240
const model = mlp()
const labelled = randomData(SAMPLES, [8], { classes: 4 })
const bare = randomData(SAMPLES, [8])

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'compare-test-'))
})
after(() => rmSync(directory, { recursive: true }))

const rowsOf = ({ comparison }: Compared) => comparison.rows
const statuses = (compared: Compared) => rowsOf(compared).map(({ name, status }) => `${name} ${status}`)

describe('everything that makes sense', () => {
  let compared: Compared
  const progress: ComparisonProgress[] = []
  before(async () => {
    const training = { data: randomData(64, [8], { classes: 4, seed: 8 }), steps: 6 }
    const onProgress = (step: ComparisonProgress) => void progress.push(step)
    compared = await compare(model, { calibration: labelled, training, threads: 1, onProgress })
  })

  test('runs the ladder of each usual target, from what costs least to what costs most', () => {
    const found = rowsOf(compared).map(({ target, name }) => `${target} ${name}`)
    const ladder = [
      'dynamic',
      'static_per_tensor',
      'static_per_channel',
      'static_accuracy_steps',
      'static_refined',
      'qat',
    ]
    assert.deepEqual(found, [
      'float float',
      ...ladder.map((name) => `cpu-int8 ${name}`),
      'cpu-int4 weights_4_bits',
      'gpu-float16 float16',
    ])
    for (const { name, status, error } of rowsOf(compared))
      assert.ok(status === 'succeeded' || error?.code === 'nothing_to_quantize', `${name}: ${error?.detail}`)
    assert.ok(rowsOf(compared).filter(({ status }) => status === 'succeeded').length >= 7)
  })

  test('judges every method on the same half of the data', () => {
    const accuracies = compared.results.flatMap((result) => result?.report.metrics.accuracy ?? [])
    const floats = new Set(accuracies.map(({ float }) => float))
    assert.equal(floats.size, 1)
    assert.ok(accuracies.every(({ samples }) => samples === SAMPLES / 2))
    assert.equal(rowsOf(compared)[0]!.accuracy!.value, [...floats][0])
  })

  test('the tests are about the numbers of the reports', () => {
    for (const [i, { tests, accuracy, status }] of rowsOf(compared).entries()) {
      if (i === 0 || status !== 'succeeded') continue
      assert.ok(Math.abs(tests.float!.gain + accuracy!.drop) < 1e-9)
      const rival = tests.cheaper && rowsOf(compared)[tests.cheaper.row]!.accuracy!
      if (tests.cheaper) assert.ok(Math.abs(accuracy!.value - rival!.value - tests.cheaper.gain) < 1e-9)
    }
    assert.ok(rowsOf(compared).some(({ tests }) => tests.cheaper))
    assert.ok(rowsOf(compared).find(({ name }) => name === 'qat')!.tests.post_training)
  })

  test('the document is what its schema says, no more and no less', () => {
    assert.deepEqual(Comparison.parse(JSON.parse(JSON.stringify(compared.comparison))), compared.comparison)
    assert.equal(compared.comparison.quality, 'accuracy')
    assert.equal(compared.comparison.verdicts.length, 3)
    assert.ok(rowsOf(compared).some(({ pareto }) => pareto))
  })

  test('the progress of all rows grows to its end', () => {
    assert.equal(progress.at(-1)?.fraction, 1)
    assert.ok(progress.every(({ fraction }, i) => fraction >= (progress[i - 1]?.fraction ?? 0)))
    assert.deepEqual([...new Set(progress.map(({ row }) => row))], [1, 2, 3, 4, 5, 6, 7, 8])
  })
})

describe('what a caller names', () => {
  const quick = { targets: ['cpu-int8'], threads: 1 } as const

  test('a method that fails is a row that says why', async () => {
    const compared = await compare(model, { ...quick, methods: ['qat', 'dynamic'], evaluation: labelled })
    assert.deepEqual(statuses(compared), ['float succeeded', 'qat failed', 'dynamic succeeded'])
    const { error, cost } = rowsOf(compared)[1]!
    assert.equal(error?.code, 'dataset_required')
    assert.match(error?.hint ?? '', /\w/)
    assert.ok(cost && cost.seconds >= 0)
    assert.match(compared.comparison.recommendation!.text, /qat failed with dataset_required/)
  })

  test('the same method twice has two names; only targets that know a method run it', async () => {
    const methods = ['dynamic', { type: 'dynamic', per_channel: false }, 'float16'] as const
    const compared = await compare(model, {
      threads: 1,
      targets: ['cpu-int8', 'gpu-float16'],
      methods,
      evaluation: bare,
    })
    assert.deepEqual(
      rowsOf(compared).map(({ target, name }) => `${target} ${name}`),
      ['float float', 'cpu-int8 dynamic', 'cpu-int8 dynamic_2', 'gpu-float16 float16'],
    )
    assert.equal(rowsOf(compared)[3]!.latency_ms!.on_target, false)
  })

  test('without labels agreement is compared, without classes the noise', async () => {
    const agreement = await compare(model, { ...quick, methods: ['dynamic'], evaluation: bare })
    assert.equal(agreement.comparison.quality, 'agreement')
    const { tests, fidelity } = rowsOf(agreement)[1]!
    assert.ok(Math.abs(tests.float!.gain - (fidelity!.agreement! - 1)) < 1e-9)
    const evaluation = { data: bare, metric: 'cosine' } as const
    const noise = await compare(model, { ...quick, methods: ['dynamic'], evaluation })
    assert.equal(noise.comparison.quality, 'sqnr_db')
    assert.match(noise.comparison.verdicts[0]!.text, /an SQNR of/)
  })

  test('too little data to divide is not compared in pairs', async () => {
    const compared = await compare(model, { ...quick, methods: ['dynamic', 'static'], calibration: randomData(8, [8]) })
    assert.ok(rowsOf(compared).every(({ tests }) => tests.cheaper === null))
    assert.ok(rowsOf(compared).every(({ fidelity }) => fidelity?.measured_on !== 'evaluation'))
  })

  test('files lie by target and method, and are not replaced unasked', async () => {
    const output = join(directory, 'out')
    const options = { ...quick, methods: ['dynamic'] as const, evaluation: bare, output }
    const { comparison, results } = await compare(model, options)
    assert.equal(results[1]!.artifact, join(output, 'cpu-int8', 'dynamic', 'model.onnx'))
    assert.ok(existsSync(join(output, 'cpu-int8', 'dynamic', 'report.html')))
    assert.deepEqual(JSON.parse(readFileSync(join(output, 'comparison.json'), 'utf8')), comparison)
    await assert.rejects(compare(model, options), { code: 'output_exists' })
  })

  test('a stop ends with the rows so far', async () => {
    const stop = new AbortController()
    const tables: Comparison[] = []
    const onRow = (table: Comparison) => {
      tables.push(table)
      stop.abort()
    }
    const options = { ...quick, methods: ['dynamic', 'static'] as const, evaluation: bare, stop: stop.signal, onRow }
    assert.deepEqual(statuses(await compare(model, options)), [
      'float succeeded',
      'dynamic succeeded',
      'static canceled',
    ])
    assert.deepEqual(
      tables[0]!.rows.map(({ status }) => status),
      ['succeeded', 'succeeded', 'queued'],
    )
  })

  test('an abort ends it with the error canceled, and leaves nothing', async () => {
    const aborter = new AbortController()
    const output = join(directory, 'aborted')
    const onProgress = () => aborter.abort()
    const run = compare(model, { ...quick, methods: ['dynamic'], output, signal: aborter.signal, onProgress })
    await assert.rejects(run, { code: 'canceled' })
    assert.ok(!readdirSync(directory).includes('aborted'))
  })

  const refusals: readonly [string, () => Promise<unknown>, object][] = [
    [
      'a method that no target has',
      () => compare(model, { ...quick, methods: ['dynamic', 'float16'] }),
      { code: 'target_method_mismatch', hint: /dynamic/ },
    ],
    ['an unknown target', () => compare(model, { targets: ['toaster' as never] }), { code: 'invalid_request' }],
    ['an unknown method', () => compare(model, { methods: ['magic' as never] }), { code: 'invalid_request' }],
    ['an unknown goal', () => compare(model, { goals: { beauty: 1 } as never }), { code: 'invalid_request' }],
  ]
  for (const [name, attempt, expected] of refusals) test(`refuses ${name}`, () => assert.rejects(attempt(), expected))
})
