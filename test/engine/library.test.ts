/** The engine as a library: from any directory, with paths or bytes, one run after another, and nothing left behind. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { FewbitError, inspect, type Progress, quantize, type Warning } from '../../src/engine/index.ts'
import { randomData } from '../kit/data.ts'
import { buildModel } from '../kit/model.ts'

const SCRATCH = /^fewbit-/

let directory: string
let model: Uint8Array
const data = randomData(40, [8])

/** what the library left below the temporary directory of this test */
const leftovers = () => readdirSync(join(directory, 'tmp')).filter((name) => SCRATCH.test(name))

before(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'library-test-')))
  mkdirSync(join(directory, 'tmp'))
  process.env.TMPDIR = join(directory, 'tmp')
  const m = buildModel()
  const x = m.input('x', ['N', 8])
  const hidden = m.node('Relu', [m.node('MatMul', [x, m.weight('w', [8, 16])], { name: 'first' })], { name: 'relu' })
  m.output(m.node('MatMul', [hidden, m.weight('v', [16, 4])], { name: 'second' }), 'y', ['N', 4])
  model = m.bytes()
  writeFileSync(join(directory, 'model.onnx'), model)
  writeFileSync(join(directory, 'data.npz'), data)
})

after(() => {
  delete process.env.TMPDIR
  rmSync(directory, { recursive: true })
})

describe('inspect', () => {
  test('tells operators, sizes and ends of a path and of bytes alike', async () => {
    const found = await inspect(model)
    assert.deepEqual(found.operators, { MatMul: 2, Relu: 1 })
    assert.deepEqual(found.inputs, [{ name: 'x', dtype: 'float32', shape: ['N', 8] }])
    assert.equal(found.parameters, 8 * 16 + 16 * 4)
    assert.deepEqual(found.bytesByType, { float32: 4 * found.parameters })
    assert.equal(found.bytes, model.length)
    assert.deepEqual(await inspect(join(directory, 'model.onnx')), found)
    assert.deepEqual(leftovers(), [])
  })

  test('says what a profile of one operator leaves in float and large', async () => {
    const mine = {
      id: 'mine',
      activation: { dtype: 'int8', symmetric: false },
      weight: { dtype: 'int8', symmetric: true },
      operators: { Relu: {} },
    } as const
    const { outlooks } = await inspect(model, { targets: [mine, 'gpu-float16'] })
    const [own, half] = outlooks
    assert.deepEqual([own?.target, own?.method, half?.method], ['mine', 'static', 'float16'])
    assert.deepEqual(own?.weightBytes, { total: 4 * 192, kept: 4 * 192 })
    assert.deepEqual(
      own?.staysLarge.flatMap(({ nodes }) => nodes),
      ['first', 'second'],
    )
    assert.equal(half?.weightBytes.kept, 0)
    assert.deepEqual(leftovers(), [])
    await assert.rejects(inspect(model, { targets: [{ ...mine, operators: { Cnov: {} } }] }), (error: FewbitError) => {
      assert.deepEqual([error.code, error.extra.param], ['invalid_request', '/target/operators/Cnov'])
      return true
    })
  })

  test('refuses what is no model', async () => {
    await assert.rejects(inspect(data), { code: 'model_not_onnx' })
    await assert.rejects(inspect('nowhere.onnx'), { code: 'not_found' })
  })
})

describe('quantize', () => {
  test('bytes in, bytes out, with every default filled in', async () => {
    const before = process.cwd()
    const steps: Progress[] = []
    const { artifact, report, plan } = await quantize(model, {
      target: 'cpu-int8',
      method: 'static',
      calibration: data,
      threads: 1,
      onProgress: (step) => steps.push(step),
    })
    assert.ok(artifact instanceof Uint8Array && artifact.length > 100)
    assert.equal(report.method, 'static')
    assert.equal(report.options.seed, 0)
    assert.equal(report.metrics.size_bytes.quantized, artifact.length)
    assert.ok(plan.nodes.some(({ quantized }) => quantized))
    assert.equal(steps.at(-1)?.fraction, 1)
    assert.ok(steps.every(({ fraction }, i) => fraction >= (steps[i - 1]?.fraction ?? 0)))
    assert.equal(process.cwd(), before)
    assert.deepEqual(leftovers(), [])
  })

  test('paths and bytes give the same artifact', async () => {
    const options = { target: 'cpu-int8', method: { type: 'static', observer: 'minmax' }, threads: 1 } as const
    const fromBytes = await quantize(model, { ...options, calibration: data })
    const fromPaths = await quantize(join(directory, 'model.onnx'), {
      ...options,
      calibration: { data: join(directory, 'data.npz') },
      output: join(directory, 'out', 'deep'),
    })
    assert.deepEqual(new Uint8Array(readFileSync(fromPaths.artifact)), fromBytes.artifact)
    const names = ['model.onnx', 'plan.json', 'report.html', 'report.json']
    assert.deepEqual(readdirSync(join(directory, 'out', 'deep')).sort(), names)
    assert.deepEqual(fromPaths.files.map((path) => path.split('/').at(-1)).sort(), names)
  })

  test('an output that exists is only replaced where that is wished', async () => {
    const output = join(directory, 'twice')
    const options = { target: 'cpu-int8', method: 'dynamic', output, threads: 1 } as const
    await quantize(model, options)
    const first = readFileSync(join(output, 'report.json'), 'utf8')
    await assert.rejects(quantize(model, options), { code: 'output_exists' })
    assert.equal(readFileSync(join(output, 'report.json'), 'utf8'), first)
    await quantize(model, { ...options, overwrite: true })
    assert.equal(readdirSync(output).length, 4)
  })

  test('a script in another directory runs it by relative paths', async () => {
    const library = new URL('../../src/engine/index.js', import.meta.url).href
    const script = `import { quantize } from ${JSON.stringify(library)}
      const { artifact } = await quantize('model.onnx', { target: 'cpu-int8', method: 'dynamic', output: 'scripted' })
      console.log(artifact)`
    writeFileSync(join(directory, 'script.mjs'), script)
    const { stdout } = await promisify(execFile)(process.execPath, ['script.mjs'], { cwd: directory })
    assert.equal(stdout.trim(), join(directory, 'scripted', 'model.onnx'))
    assert.deepEqual(readdirSync(directory).sort(), [
      'data.npz',
      'model.onnx',
      'out',
      'script.mjs',
      'scripted',
      'tmp',
      'twice',
    ])
  })

  test('an abort ends it with the error canceled, and leaves neither files nor directories', async () => {
    const aborter = new AbortController()
    const output = join(directory, 'aborted', 'deep')
    const run = quantize(model, {
      target: 'cpu-int8',
      calibration: data,
      output,
      signal: aborter.signal,
      onProgress: ({ phase }) => phase === 'calibrating' && aborter.abort(new Error('enough')),
    })
    await assert.rejects(run, (error: unknown) => {
      assert.ok(error instanceof FewbitError)
      assert.equal(error.code, 'canceled')
      assert.equal((error.cause as Error).message, 'enough')
      return true
    })
    assert.ok(!readdirSync(directory).includes('aborted'))
    assert.deepEqual(leftovers(), [])
    await assert.rejects(quantize(model, { target: 'cpu-int8', signal: AbortSignal.abort() }), { code: 'canceled' })
  })

  test('a stop keeps the best so far', async () => {
    const stop = new AbortController()
    const { report } = await quantize(model, {
      target: 'cpu-int8',
      calibration: data,
      stop: stop.signal,
      onProgress: ({ phase }) => phase === 'calibrating' && stop.abort(),
    })
    assert.ok(report.metrics.fidelity)
  })

  test('warnings come as they arise and stand in the report', async () => {
    const warnings: Warning[] = []
    const { report } = await quantize(model, {
      target: 'cpu-int8',
      method: 'static',
      onWarning: (warning) => warnings.push(warning),
    })
    assert.deepEqual(warnings, report.warnings)
    assert.ok(warnings.some(({ code }) => code === 'synthetic_calibration'))
  })

  const refusals: readonly [string, () => Promise<unknown>, object][] = [
    ['a model that is not there', () => quantize('nowhere.onnx', { target: 'cpu-int8' }), { code: 'not_found' }],
    ['bytes that are no model', () => quantize(data, { target: 'cpu-int8' }), { code: 'model_not_onnx' }],
    ['an unknown target', () => quantize(model, { target: 'toaster' as never }), { code: 'invalid_request' }],
    [
      'a method that the target lacks',
      () => quantize(model, { target: 'cpu-int8', method: 'float16' }),
      { code: 'target_method_mismatch', hint: /static/ },
    ],
    [
      'data that does not fit',
      () => quantize(model, { target: 'cpu-int8', calibration: randomData(40, [9]) }),
      { name: 'FewbitError' },
    ],
    [
      'no data where it is required',
      () => quantize(model, { target: 'cpu-int8', method: 'qat' }),
      { code: 'dataset_required', hint: /\w/ },
    ],
  ]
  for (const [name, attempt, expected] of refusals)
    test(`refuses ${name}`, async () => {
      await assert.rejects(attempt(), expected)
      assert.deepEqual(leftovers(), [])
    })
})
