/** Half precision: what overflows stays float32, and nothing else does. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import { float, int, ints } from '../../../src/engine/ir/build.ts'
import { fromFloat16, toFloat16 } from '../../../src/engine/ir/float16.ts'
import type { Model, Value } from '../../../src/engine/ir/graph.ts'
import { float32, int64, tensorOf, view } from '../../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import { crashesOptimizer } from '../../../src/engine/verify/known-crash.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { randomData } from '../../kit/data.ts'
import { type EngineResult, runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel, convNet, IMAGE, mlp } from '../../kit/model.ts'

const HALF = { target: 'gpu-float16', method: { type: 'float16' } }
const floatNodes = ({ plan }: EngineResult) => plan.nodes.filter(({ quantized }) => !quantized).map(({ node }) => node)

describe('float16', () => {
  test('a network converts as a whole, keeps its inputs and outputs, and halves', async () => {
    const result = await runEngine(convNet({ width: 32 }), randomData(20, IMAGE), HALF)
    assert.deepEqual(floatNodes(result), [])
    assert.equal(result.model.graph.inputs[0]!.dtype, 'float32')
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 45)
    assert.ok(result.report.metrics.size_bytes.ratio < 0.6)
    const bare = { ...HALF, method: { type: 'float16', keep_io_types: false } }
    const { model } = await runEngine(convNet(), randomData(20, IMAGE), bare)
    assert.deepEqual([model.graph.inputs[0]!.dtype, model.graph.outputs[0]!.dtype], ['float16', 'float16'])
  })

  test('compat writes what onnxruntime.transformers.float16 writes, with its options', async () => {
    const method = { type: 'float16', compat: 'onnxruntime', keep_io_types: ['x'], max_finite_val: 0.125 }
    const { model, report } = await runEngine(convNet(), randomData(20, IMAGE), { target: 'gpu-float16', method })
    assert.ok([...model.graph.nodes].some(({ name }) => name === 'graph_input_cast0'))
    assert.deepEqual([model.graph.inputs[0]!.dtype, model.graph.outputs[0]!.dtype], ['float32', 'float16'])
    const weights = [...model.graph.initializers].filter(({ dtype }) => dtype === 'float16')
    const largest = weights.flatMap(({ tensor }) => [...fromFloat16(view(tensor!, 'float16'))].map(Math.abs))
    assert.equal(Math.max(...largest), 0.125)
    assert.deepEqual(report.options.method, method)
  })

  test('options of the converter need compat', () => {
    for (const option of [{ op_block_list: [] }, { max_finite_val: 100 }, { keep_io_types: ['x'] }]) {
      const { error } = Recipe.safeParse({ target: 'gpu-float16', method: { type: 'float16', ...option } })
      assert.deepEqual(
        error?.issues.map(({ path }) => path.join('/')),
        [`method/${Object.keys(option)[0]}`],
      )
    }
  })

  /** A residual stream that grows beyond float16 and comes back: x [N,8] → y [N,8]. */
  const growing = (factor: number) => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const before = m.node('MatMul', [x, m.weight('w1', [8, 8])], { name: 'before' })
    const big = m.node('Mul', [before, m.constant('factor', float32([], [factor]))], { name: 'big' })
    const square = m.node('Abs', [big], { name: 'abs' })
    const small = m.node('Div', [square, m.constant('back', float32([], [factor]))], { name: 'small' })
    m.output(m.node('MatMul', [small, m.weight('w2', [8, 8])], { name: 'after' }), 'y', ['N', 8])
    return m.bytes()
  }

  test('values that overflow make an island as small as it can be', async () => {
    const result = await runEngine(growing(60_000), randomData(40, [8]), HALF)
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 40, `${result.report.metrics.fidelity!.sqnr_db} dB`)
    const float = floatNodes(result)
    assert.ok(float.includes('abs'))
    assert.ok(!float.includes('before') && !float.includes('after'), float.join())
    const reason = result.plan.nodes.find(({ node }) => node === 'abs')!.reason
    assert.match(reason, /float16 ends at 65504/)
    assert.deepEqual(floatNodes(await runEngine(growing(10), randomData(40, [8]), HALF)), [])
  })

  test('constants beyond float16 stay float32', async () => {
    const result = await runEngine(growing(1e6), null, HALF)
    assert.ok(result.plan.nodes.some(({ reason }) => /constant .* is beyond float16/.test(reason)))
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 40)
  })

  test('an epsilon does not become 0', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const nothing = m.node('Sub', [x, x], { name: 'nothing' })
    const epsilon = m.node('Add', [nothing, m.constant('epsilon', float32([], [1e-9]))], { name: 'epsilon' })
    const same = m.node('Div', [epsilon, epsilon], { name: 'ratio' })
    m.output(m.node('MatMul', [same, m.weight('w', [8, 8])], { name: 'm' }), 'y', ['N', 8])
    const { report, plan } = await runEngine(m.bytes(), randomData(20, [8]), HALF)
    assert.ok(report.metrics.fidelity!.sqnr_db > 40, JSON.stringify(plan.nodes))
  })

  test('a mask of minus infinity works, and needs no island', async () => {
    const m = buildModel()
    const x = m.input('x', [1, 4, 8])
    const scores = m.node('MatMul', [x, m.weight('w', [8, 6])], { name: 'scores' })
    const mask = float32([1, 1, 6], [0, 0, 0, 0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])
    const masked = m.node('Add', [scores, m.constant('mask', mask)], { name: 'masked' })
    m.output(m.node('Softmax', [masked], { name: 'softmax', attributes: { axis: int(-1) } }), 'y', [1, 4, 6])
    const result = await runEngine(m.bytes(), randomData(20, [4, 8]), HALF)
    assert.deepEqual(floatNodes(result), [])
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 45)
  })

  test('operators that name a type, or keep float32 arguments, are patched', async () => {
    const m = buildModel()
    const x = m.input('x', [1, 2, 4, 4])
    const resized = m.node('Resize', [x, null, m.constant('scales', float32([4], [1, 1, 2, 2]))], { name: 'resize' })
    const zeros = m.node('ConstantOfShape', [m.node('Shape', [resized], { name: 'shape' })], { name: 'zeros' })
    const whole = m.node('Cast', [resized], { name: 'whole', attributes: { to: int(6) } })
    const again = m.node('Cast', [whole], { name: 'again', attributes: { to: int(1) } })
    const sum = m.node('Sum', [resized, zeros, again], { name: 'sum' })
    const leaky = m.node('LeakyRelu', [sum], { name: 'leaky', attributes: { alpha: float(0.1) } })
    const flat = m.node('Reshape', [leaky, m.constant('to', int64([2], [1, 128]))], { name: 'flat' })
    m.output(m.node('MatMul', [flat, m.weight('w', [128, 4])], { name: 'head' }), 'y', [1, 4])
    const result = await runEngine(m.bytes(), randomData(20, [2, 4, 4]), HALF)
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 40, `${result.report.metrics.fidelity!.sqnr_db} dB`)
  })

  test('an operator without a float16 form stays float32', async () => {
    const m = buildModel()
    const hidden = m.node('MatMul', [m.input('x', ['N', 8]), m.weight('w', [8, 8])], { name: 'product' })
    m.output(m.node('Celu', [hidden], { name: 'celu' }), 'y', ['N', 8])
    assert.deepEqual(floatNodes(await runEngine(m.bytes(), randomData(20, [8]), HALF)), ['celu'])
  })

  /** x [N,4,64], transposed, times a constant; the float model is the same in every form. */
  const turned = (perm: number[], shape: number[], isLeft = false) => {
    const m = buildModel()
    const before = m.node('Transpose', [m.input('x', ['N', 4, 64])], { attributes: { perm: ints(perm) } })
    const factors = [before, m.weight('w', shape, 0.1)]
    m.output(m.node('MatMul', isLeft ? factors.toReversed() : factors), 'y', isLeft ? [4, 8, 'N'] : [4, 'N', 8])
    return m
  }

  const loadsWhole = async (model: Model, directory: string) => {
    const path = join(directory, 'model.onnx')
    writeFileSync(path, encodeModel(model))
    const session = await openRuntime(1).load(path, { optimization: 'all' })
    await session.release()
  }

  describe('a product behind a transposition, on which ONNX Runtime crashes', () => {
    const forms: [string, () => Builder][] = [
      ['with a matrix', () => turned([1, 0, 2], [64, 8])],
      ['with a matrix in front', () => turned([1, 2, 0], [8, 64], true)],
    ]
    for (const [form, build] of forms)
      test(`${form}: gets a constant of as many axes, and loads`, async (t) => {
        const directory = mkdtempSync(join(tmpdir(), 'fewbit-level-'))
        t.after(() => rmSync(directory, { recursive: true }))
        const { model, report } = await runEngine(build().bytes(), randomData(20, [4, 64]), HALF)
        assert.equal(crashesOptimizer(model), false)
        assert.deepEqual(
          report.warnings.filter(({ code }) => code === 'crashes_cpu_optimizer'),
          [],
        )
        assert.ok(report.metrics.fidelity!.sqnr_db > 50)
        await loadsWhole(model, directory)
      })

    test('the constant is stored once where another product can read it', async () => {
      const m = turned([1, 0, 2], [64, 64])
      const [x, w] = [m.model.graph.inputs[0]!, [...m.model.graph.initializers][0]!]
      m.output(m.node('MatMul', [x, w], { name: 'again' }), 'z', ['N', 4, 64])
      const { model } = await runEngine(m.bytes(), randomData(20, [4, 64]), HALF)
      assert.deepEqual(
        [...model.graph.initializers].map(({ shape }) => shape),
        [[1, 64, 64]],
      )
    })

    test('with a vector, which stays one: is measured all the same and warned of', async () => {
      const m = turned([1, 0, 2], [64])
      m.model.graph.outputs[0]!.shape = [4, 'N']
      const { report } = await runEngine(m.bytes(), randomData(20, [4, 64]), HALF)
      assert.ok(report.metrics.fidelity!.sqnr_db > 50)
      assert.ok(report.warnings.some(({ code }) => code === 'crashes_cpu_optimizer'))
    })
  })

  describe('writes the operators that the operator set has', () => {
    const forms: Record<string, (m: Builder, x: Value) => Value> = {
      'a mean without its axes': (m, x) =>
        m.node('ReduceMean', [x], { attributes: { axes: ints([-1, 2]), keepdims: int(0) } }),
      'a product with a computed bias': (m, x) => {
        const flat = m.node('Flatten', [x])
        const bias = m.node('MatMul', [flat, m.weight('v', [32, 4])])
        return m.node('Gemm', [flat, m.weight('w', [32, 4]), bias])
      },
      'a normalization that ONNX writes as a function': (m, x) => m.node('MeanVarianceNormalization', [x]),
    }
    for (const [name, form] of Object.entries(forms))
      for (const opset of [9, 10, 11, 12, 13])
        test(`${name}, operator set ${opset}`, async () => {
          const m = buildModel(opset)
          const filter = [m.input('x', ['N', 2, 4, 4]), m.weight('filter', [2, 2, 1, 1])]
          m.output(form(m, m.node('Conv', filter)), 'y')
          const { report } = await runEngine(m.bytes(), randomData(20, [2, 4, 4]), HALF)
          assert.ok(report.metrics.fidelity!.sqnr_db > 50, `${report.metrics.fidelity!.sqnr_db} dB`)
        })
  })

  /** Two products: x [N,64] → y [N,32]; all in one float type. */
  const products = (dtype: 'float16' | 'float64', factor = 1) => {
    const m = buildModel()
    const numbers = (name: string, shape: [number, number]) => {
      const values = Float64Array.from({ length: shape[0] * shape[1] }, (_, i) => factor * Math.sin(i * i + shape[1]))
      return m.constant(
        name,
        dtype === 'float64'
          ? tensorOf('float64', shape, values)
          : tensorOf('float16', shape, toFloat16(Float32Array.from(values))),
      )
    }
    const hidden = m.node('Relu', [m.node('MatMul', [m.input('x', ['N', 64], dtype), numbers('w', [64, 48])])])
    m.output(m.node('MatMul', [hidden, numbers('v', [48, 32])]), 'y', ['N', 32], dtype)
    return m.bytes()
  }
  const refusalOf = (model: Uint8Array, method: object = {}) =>
    runEngine(model, null, { target: 'gpu-float16', method: { type: 'float16', ...method } }).then(
      () => 'succeeded',
      (error: unknown) => (error instanceof FewbitError ? `${error.code}: ${error.message}` : String(error)),
    )

  test('a model in double precision converts, and keeps the types of its inputs and outputs', async () => {
    const { model, report } = await runEngine(products('float64'), null, HALF)
    assert.deepEqual([model.graph.inputs[0]!.dtype, model.graph.outputs[0]!.dtype], ['float64', 'float64'])
    assert.ok(report.metrics.size_bytes.ratio < 0.35, `${report.metrics.size_bytes.ratio}`)
    assert.ok(report.metrics.fidelity!.sqnr_db > 50, `${report.metrics.fidelity!.sqnr_db} dB`)
  })

  test('a model in half precision is said to be that already', async () => {
    for (const method of [{}, { compat: 'onnxruntime' }])
      assert.match(await refusalOf(products('float16'), method), /^nothing_to_quantize: .*float16 already/)
    const { model } = await runEngine(convNet(), null, HALF)
    assert.match(await refusalOf(encodeModel(model)), /float16 already/)
  })

  describe('weights below the normal range of half precision', () => {
    /** x [N,32] · w, where the columns of w are small as a whole or one in four, times what brings the result back. */
    const small = (every: number) => {
      const m = buildModel()
      const weights = Float32Array.from({ length: 32 * 32 }, (_, i) => Math.sin(i * i) * (i % every === 0 ? 2e-7 : 0.2))
      const product = m.node('MatMul', [m.input('x', ['N', 32]), m.constant('w', float32([32, 32], weights))], {
        name: 'small',
      })
      const back = m.constant(
        'back',
        float32(
          [32],
          Float32Array.from({ length: 32 }, (_, i) => (i % every === 0 ? 1e6 : 1)),
        ),
      )
      m.output(m.node('Mul', [product, back], { name: 'back' }), 'y', ['N', 32])
      return m.bytes()
    }
    const warningOf = ({ report }: EngineResult) =>
      report.warnings.find(({ code }) => code === 'float16_underflow')?.detail

    for (const data of [null, randomData(20, [32])])
      test(`stay float32 ${data ? 'with' : 'without'} data, and so does what they make`, async () => {
        const result = await runEngine(small(1), data, HALF)
        assert.ok(result.report.metrics.fidelity!.sqnr_db > 60, `${result.report.metrics.fidelity!.sqnr_db} dB`)
        assert.match(warningOf(result)!, /"w" as a whole/)
      })

    test('are named where they are some channels of many', async () => {
      assert.match(warningOf(await runEngine(small(4), null, HALF))!, /8 of 32 channels of "w"/)
      const compat = { target: 'gpu-float16', method: { type: 'float16', compat: 'onnxruntime' } }
      assert.match(warningOf(await runEngine(small(4), null, compat))!, /8 of 32 channels of "w"/)
      assert.equal(warningOf(await runEngine(mlp(), null, HALF)), undefined)
    })
  })

  test('without anything in float32 there is nothing to do', async () => {
    const m = buildModel()
    const x = m.input('x', [4], 'int64')
    m.output(m.node('Add', [x, x], { name: 'twice' }), 'y', [4], 'int64')
    const code = await runEngine(m.bytes(), null, HALF).then(
      () => 'succeeded',
      (error: unknown) => (error instanceof FewbitError ? error.code : String(error)),
    )
    assert.equal(code, 'nothing_to_quantize')
  })
})
