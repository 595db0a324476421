/** Static quantization as properties: planning, insertion and measurement on networks that the test makes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Recipe } from '../../../../src/contract/recipe.ts'
import { randomSource } from '../../../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../../../src/engine/data/write-npz.ts'
import { float } from '../../../../src/engine/ir/build.ts'
import type { Model } from '../../../../src/engine/ir/graph.ts'
import { print } from '../../../../src/engine/ir/print.ts'
import { float32, view } from '../../../../src/engine/ir/tensor.ts'
import { FewbitError } from '../../../../src/shared/errors.ts'
import { randomData } from '../../../kit/data.ts'
import { runEngine } from '../../../kit/engine.ts'
import { buildModel, convNet, IMAGE, mlp } from '../../../kit/model.ts'

const linesOf = (model: Model, pattern: RegExp) =>
  print(model)
    .split('\n')
    .filter((line) => pattern.test(line))
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'succeeded',
    (error: unknown) => (error instanceof FewbitError ? error.code : String(error)),
  )

describe('static quantization', () => {
  test('folds BatchNormalization, absorbs Relu, and leaves integer kernels only', async () => {
    const { report, model } = await runEngine(convNet(), randomData(60, IMAGE))
    assert.deepEqual(linesOf(model, /BatchNormalization|Relu/), [])
    assert.equal(report.metrics.coverage.macs_integer, 1)
    assert.ok(report.metrics.fidelity!.sqnr_db > 25)
    assert.ok(report.metrics.coverage.conversions! <= 2, 'one conversion at each end')
  })

  test('weights are int8 with one scale per output channel, biases int32, activations uint8', async () => {
    const { model } = await runEngine(convNet(), randomData(60, IMAGE))
    assert.match(linesOf(model, /^constant block\.weight_q:/)[0]!, /int8\[16,16,3,3\]/)
    assert.match(linesOf(model, /^constant block\.weight_scale:/)[0]!, /float32\[16\]/)
    assert.match(linesOf(model, /^constant block\.bias_q:/)[0]!, /int32\[16\]/)
    assert.ok(linesOf(model, /^constant \S*_zero_point: uint8\[\]/).length > 0)
  })

  test('one scale per tensor when asked: never more faithful than per channel', async () => {
    const data = randomData(60, IMAGE)
    const channel = await runEngine(convNet({ seed: 4 }), data)
    const tensor = await runEngine(convNet({ seed: 4 }), data, { method: { type: 'static', per_channel: false } })
    assert.match(linesOf(tensor.model, /^constant block\.weight_scale:/)[0] ?? 'shared', /float32\[\]|shared/)
    assert.ok(channel.report.metrics.fidelity!.sqnr_db >= tensor.report.metrics.fidelity!.sqnr_db - 0.5)
  })

  test('the same request gives the same bytes, where no clock decides', async () => {
    const data = randomData(40, IMAGE)
    const recipe = { method: { type: 'static', skip_slow_layers: false } } as const
    const [a, b] = [await runEngine(convNet(), data, recipe), await runEngine(convNet(), data, recipe)]
    assert.equal(print(a.model), print(b.model))
  })

  test('progress only grows and ends at one; every node has a reason', async () => {
    const { messages, plan } = await runEngine(mlp(), randomData(40, [8]))
    const fractions = messages.flatMap((message) => (message.type === 'progress' ? [message.fraction] : []))
    assert.deepEqual(
      fractions,
      fractions.toSorted((a, b) => a - b),
    )
    assert.equal(fractions.at(-1), 1)
    assert.equal(messages.at(-1)?.type, 'progress')
    assert.ok(plan.nodes.length > 0 && plan.nodes.every(({ reason }) => reason))
  })

  test('samples that calibrate do not judge', async () => {
    const { report } = await runEngine(mlp(), randomData(50, [8]), { calibration: { samples: 30 } })
    assert.deepEqual([report.calibration?.samples, report.metrics.fidelity?.samples], [30, 20])
    const all = await runEngine(mlp(), randomData(50, [8]))
    assert.ok(
      [30, 40].includes(all.report.calibration!.samples),
      '10 of the 40 judge what is tried, and calibrate in the end',
    )
    assert.deepEqual([all.report.metrics.fidelity?.samples, all.report.metrics.fidelity?.measured_on], [10, 'held_out'])
    const few = await runEngine(mlp(), randomData(3, [8]))
    assert.ok(few.report.warnings.some(({ code }) => code === 'no_held_out_samples'))
  })

  test('sorted data is judged from end to end: the figure is that of all of it', async () => {
    const random = randomSource(3)
    const brightness = (i: number) => 0.02 + 3 * (i / 100) ** 3
    const data = Float32Array.from(
      { length: 100 * 768 },
      (_, i) => brightness(Math.floor(i / 768)) * (random() * 2 - 1),
    )
    const sorted = encodeNpz({ x: { dtype: 'float32', shape: [100, ...IMAGE], data } })
    for (const target of ['cpu-int8', 'npu-qnn-htp']) {
      const { report } = await runEngine(convNet({ seed: 5 }), sorted, { target })
      const shuffledAway = await runEngine(convNet({ seed: 5 }), sorted, { target, seed: 1 })
      assert.ok(report.metrics.fidelity!.sqnr_db > 33, `${target}: ${report.metrics.fidelity!.sqnr_db} dB`)
      assert.ok(Math.abs(report.metrics.fidelity!.sqnr_db - shuffledAway.report.metrics.fidelity!.sqnr_db) < 3)
    }
  })

  test('opset 7 is raised, and the model still follows its float self', async () => {
    const { report } = await runEngine(convNet({ opset: 9 }), randomData(40, IMAGE))
    assert.deepEqual(report.opset, { float: 9, quantized: 13 })
    assert.ok(report.metrics.fidelity!.sqnr_db > 25)
  })

  test('weights with NaN or too large a span stay float and say so', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const bad = m.constant(
      'bad',
      float32(
        [8, 8],
        Float32Array.from({ length: 64 }, (_, i) => (i === 5 ? 3e38 : i === 6 ? -3e38 : 0.01 * i)),
      ),
    )
    const hidden = m.node('Clip', [m.node('MatMul', [x, m.weight('good', [8, 8])], { name: 'ok' })], { name: 'clip' })
    m.output(m.node('MatMul', [hidden, bad], { name: 'wild' }), 'y', ['N', 8])
    const { plan } = await runEngine(m.bytes(), randomData(40, [8]))
    const wild = plan.nodes.find(({ node }) => node === 'wild')
    assert.equal(wild?.quantized, false)
    assert.match(wild!.reason, /"bad" spans more than float32 can say/)
  })

  test('data on which the float model overflows is an error that names the value', async () => {
    const m = buildModel()
    const huge = m.node('Exp', [m.node('Mul', [m.input('x', ['N', 8]), m.constant('k', float32([], [1000]))])], {
      name: 'explode',
    })
    m.output(m.node('MatMul', [huge, m.weight('w', [8, 4])], { name: 'm' }), 'y', ['N', 4])
    assert.equal(await codeOf(runEngine(m.bytes(), randomData(40, [8]))), 'calibration_failed')
  })

  test('a model without a multiplication has nothing to quantize', async () => {
    const m = buildModel()
    m.output(m.node('LeakyRelu', [m.input('x', ['N', 8])], { attributes: { alpha: float(0.1) } }), 'y', ['N', 8])
    assert.equal(await codeOf(runEngine(m.bytes(), randomData(40, [8]))), 'nothing_to_quantize')
  })

  test('static without data calibrates on made-up inputs and says so loudly', async () => {
    const { report, messages } = await runEngine(mlp(), null)
    assert.ok(
      report.warnings.some(({ code, detail }) => code === 'synthetic_calibration' && /made-up inputs/.test(detail)),
    )
    assert.ok(messages.some((message) => message.type === 'warning' && message.code === 'synthetic_calibration'))
    assert.ok(report.metrics.fidelity!.sqnr_db > 15)
  })
})

describe('the other methods', () => {
  test('dynamic: int8 weights, no data, results close', async () => {
    const { model, report } = await runEngine(mlp(), null, { method: { type: 'dynamic' } })
    assert.equal(linesOf(model, /= MatMulInteger\(/).length, 2)
    assert.ok(report.metrics.fidelity!.sqnr_db > 20)
  })

  test('float16: half of the bytes, float32 at the ends unless asked otherwise', async () => {
    const kept = await runEngine(convNet({ width: 32 }), null, { target: 'gpu-float16', method: { type: 'float16' } })
    assert.match(print(kept.model), /^input x: float32/m)
    assert.match(print(kept.model), /^constant block\.weight\S*: float16/m)
    const half = await runEngine(convNet({ width: 32 }), null, {
      target: 'gpu-float16',
      method: { type: 'float16', keep_io_types: false },
    })
    assert.match(print(half.model), /^input x: float16/m)
    assert.ok(half.report.metrics.fidelity!.sqnr_db > 45)
  })
})

describe('what is tried', () => {
  test('every step is in the report with its score, and what was kept scored best', async () => {
    const { report } = await runEngine(convNet({ width: 24 }), randomData(80, IMAGE))
    const observers = report.search.filter(({ step }) => /^observer \w+$/.test(step))
    assert.equal(observers.length, 3)
    const kept = observers.find((step) => step.kept)
    assert.ok(kept && observers.every(({ sqnr_db }) => kept.sqnr_db >= sqnr_db - 0.051))
    assert.equal(
      report.options.method && (report.options.method as { observer: string }).observer,
      kept.step.slice('observer '.length),
    )
  })

  test('a search without time keeps the first thing that it tried, and says so', async () => {
    const { report } = await runEngine(convNet({ width: 24 }), randomData(80, IMAGE), {}, { maxSeconds: 1e-6 })
    assert.ok(report.warnings.some(({ code }) => code === 'search_stopped'))
    assert.deepEqual(
      report.search.map(({ step, kept }) => [step, kept]),
      [['observer minmax', true]],
    )
    assert.ok(report.metrics.fidelity!.sqnr_db > 15)
    const method = { type: 'static', observer: 'minmax', bias_correction: false }
    const named = await runEngine(convNet(), randomData(80, IMAGE), { method }, { maxSeconds: 1e-6 })
    assert.ok(!named.report.warnings.some(({ code }) => code === 'search_stopped'), 'nothing was to be tried')
    const unhurried = await runEngine(convNet({ width: 24 }), randomData(80, IMAGE), {}, { maxSeconds: 600 })
    assert.ok(!unhurried.report.warnings.some(({ code }) => code === 'search_stopped'))
  })

  test('a named observer is used as it is', async () => {
    for (const observer of ['entropy', 'kmeans', 'moving_average']) {
      const { report } = await runEngine(convNet(), randomData(60, IMAGE), {
        method: { type: 'static', observer, bias_correction: false },
      })
      assert.deepEqual([report.calibration?.observer, report.search], [observer, []])
      assert.ok(report.metrics.fidelity!.sqnr_db > 10, observer)
    }
  })

  test('bias correction moves the mean error of rounded weights out of the outputs', async () => {
    const coarse = { method: { type: 'static', observer: 'minmax', per_channel: true, bias_correction: 'auto' } }
    const { report } = await runEngine(convNet({ width: 64, seed: 9 }), randomData(120, IMAGE), coarse)
    const [without, corrected] = report.search
    assert.deepEqual([without?.step, corrected?.step], ['observer minmax', 'bias correction'])
    assert.equal(corrected!.kept, corrected!.sqnr_db > without!.sqnr_db + 0.05)
  })

  test('bias correction knows weights with one scale and biases of 8 bits', async () => {
    for (const [target, per_channel] of [
      ['cpu-int8', false],
      ['npu-vitis-ai', true],
    ] as const) {
      const method = { type: 'static', observer: 'minmax', equalize: false, per_channel }
      const { report } = await runEngine(convNet({ width: 64, seed: 9 }), randomData(120, IMAGE), { target, method })
      const [without, corrected] = report.search
      assert.equal(corrected?.step, 'bias correction', target)
      assert.ok(Math.abs(corrected.sqnr_db - without!.sqnr_db) > 0.01, `${target}: nothing was corrected`)
    }
  })

  test('equalization is tried where a weight has one scale, and only there', async () => {
    const stepsOf = async (per_channel: boolean) => {
      const { report } = await runEngine(mlp(), randomData(80, [8]), { method: { type: 'static', per_channel } })
      return report.search.filter(({ step }) => step.startsWith('cross-layer equalization'))
    }
    assert.equal((await stepsOf(true)).length, 0)
    assert.ok((await stepsOf(false)).length > 0)
  })

  test('mixed precision: the fewest layers leave the integers for the goal, each with its gain', async () => {
    const data = randomData(120, IMAGE)
    const plain = await runEngine(convNet({ seed: 6 }), data)
    const reached = plain.report.metrics.fidelity!.sqnr_db
    const mixed = await runEngine(convNet({ seed: 6 }), data, { method: { type: 'static', min_sqnr_db: reached + 1 } })
    const [step] = mixed.report.search.filter(({ step }) => step.endsWith('layers float'))
    assert.ok(step?.kept && step.sqnr_db >= reached + 1)
    const left = mixed.plan.nodes.filter(({ reason }) => /its integers cost the outputs .* dB/.test(reason))
    assert.ok(left.length > 0 && left.length < plain.plan.nodes.filter(({ quantized }) => quantized).length)
    const gains = mixed.report.sensitivity.filter(({ gain_db }) => gain_db !== null)
    assert.ok(gains.length > 0 && mixed.report.metrics.fidelity!.sqnr_db > reached)
  })

  test('mixed precision on a target with wide activations widens the layers instead', async () => {
    const data = randomData(120, IMAGE)
    const target = 'npu-qnn-htp'
    const plain = await runEngine(convNet({ seed: 6 }), data, { target })
    const reached = plain.report.metrics.fidelity!.sqnr_db
    const mixed = await runEngine(convNet({ seed: 6 }), data, {
      target,
      method: { type: 'static', min_sqnr_db: reached + 1 },
    })
    const { wide_nodes, float_nodes } = mixed.report.options.method as Record<string, string[] | undefined>
    assert.ok(wide_nodes && wide_nodes.length > 0 && float_nodes === undefined)
    assert.ok(mixed.plan.values.some(({ dtype }) => dtype === 'uint16'))
    assert.equal(mixed.report.metrics.coverage.nodes_quantized, plain.report.metrics.coverage.nodes_quantized)
    assert.ok(mixed.report.metrics.target_conformance.ok)
    assert.ok(mixed.report.metrics.fidelity!.sqnr_db > reached)
  })

  test('mixed precision that cannot reach its goal is the best that it found', async () => {
    const { report } = await runEngine(convNet({ seed: 6 }), randomData(120, IMAGE), {
      method: { type: 'static', min_sqnr_db: 100 },
    })
    assert.ok(report.search.filter(({ kept }) => kept).every(({ sqnr_db }) => sqnr_db < 100))
  })

  test('every quantized layer says how closely it follows the float model', async () => {
    const { report, plan } = await runEngine(convNet({ seed: 6 }), randomData(120, IMAGE))
    const quantized = new Set(plan.nodes.filter((node) => node.quantized).map(({ node }) => node))
    assert.ok(report.sensitivity.length > 2)
    for (const { node, sqnr_db, cosine } of report.sensitivity) {
      assert.ok(quantized.has(node), node)
      assert.ok(sqnr_db > 10 && sqnr_db < 80 && cosine > 0.9 && cosine <= 1)
    }
    const levels = report.sensitivity.map(({ sqnr_db }) => sqnr_db)
    assert.deepEqual(
      levels,
      levels.toSorted((a, b) => a - b),
    )
  })
})

describe('compat: onnxruntime', () => {
  test('static: the names and the graph that quantize_static writes, verified like every artifact', async () => {
    const { report, model, plan } = await runEngine(convNet(), randomData(40, IMAGE), {
      method: { type: 'static', compat: 'onnxruntime' },
    })
    assert.match(print(model), /x_QuantizeLinear_Output = QuantizeLinear\(x, x_scale, x_zero_point\)/)
    assert.equal((report.options.method as { compat: string }).compat, 'onnxruntime')
    assert.ok(report.metrics.fidelity!.sqnr_db > 15)
    assert.ok(plan.nodes.every(({ reason }) => reason.includes('onnxruntime')))
  })

  test('static: its calibrators give the ranges, of the input too', async () => {
    const scaleOf = async (more: object) => {
      const method = { type: 'static', compat: 'onnxruntime', ...more }
      const { model, report } = await runEngine(convNet(), randomData(40, IMAGE), { method })
      const [scale] = [...model.graph.initializers].filter(({ name }) => name === 'x_scale')
      return { scale: view(scale!.tensor!, 'float32')[0]!, observer: report.calibration!.observer }
    }
    const whole = await scaleOf({})
    const narrow = await scaleOf({ observer: 'percentile', calibration: { percentile: 80, stride: 3 } })
    // 80 % of numbers that are uniform in [−1, 1] lie in [−0.8, 0.8]
    assert.ok(Math.abs(narrow.scale / whole.scale - 0.8) < 0.01, `${narrow.scale} ${whole.scale}`)
    assert.equal(narrow.observer, 'percentile')
    const sharp = await scaleOf({ observer: 'entropy', calibration: { bins: 512 } })
    assert.ok(sharp.scale <= whole.scale)
    assert.ok((await scaleOf({ observer: 'moving_average' })).scale < whole.scale)
  })

  test('static: what onnxruntime.quantization does not have is refused', () => {
    const issues = (method: object) =>
      Recipe.safeParse({ target: 'cpu-int8', method: { type: 'static', ...method } }).error?.issues.map(({ path }) =>
        path.join('/'),
      )
    assert.deepEqual(issues({ compat: 'onnxruntime', observer: 'mse' }), ['method/observer'])
    assert.deepEqual(issues({ calibration: { percentile: 99 } }), ['method/calibration'])
    assert.equal(issues({ compat: 'onnxruntime', calibration: { percentile: 99 } }), undefined)
  })

  test('dynamic: MatMulInteger behind DynamicQuantizeLinear', async () => {
    const { report, model } = await runEngine(mlp(), null, { method: { type: 'dynamic', compat: 'onnxruntime' } })
    assert.equal(linesOf(model, /= MatMulInteger\(/).length, 2)
    assert.ok(report.metrics.fidelity!.sqnr_db > 20)
  })
})
