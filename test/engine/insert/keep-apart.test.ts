/** What ONNX Runtime would fuse across integers and floats stays apart: seen in the graph that it executes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Model, Value } from '../../../src/engine/ir/graph.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { inDirectory } from '../../kit/run.ts'

const WIDTH = 32
const KEEP_ALL = { method: { type: 'static', skip_slow_layers: false } }

/** Operators that ONNX Runtime executes. */
const executed = (model: Model): Promise<string[]> =>
  inDirectory(async (directory) => {
    const path = openWorkspace(directory).save('model.onnx', model)
    const saveTo = join(directory, 'optimized.onnx')
    await (await openRuntime(1).load(path, { optimization: 'all', saveTo })).release()
    return [...decodeModel(saveTo).model.graph.nodes].map(({ opType }) => opType)
  })

/** Two products of a fixed batch and what a cell makes of them: inputs x and h, output y. */
function cell(sum: (m: Builder, a: Value, b: Value, bias: Value) => Value): Uint8Array {
  const m = buildModel(17)
  const [x, h] = [m.input('x', [1, WIDTH]), m.input('h', [1, WIDTH])]
  const product = (input: Value, name: string) =>
    m.node('MatMul', [input, m.weight(`${name}.w`, [WIDTH, 4 * WIDTH], 0.2)], { name, output: `${name}.y` })
  const sums = sum(m, product(x, 'in'), product(h, 'state'), m.weight('bias', [4 * WIDTH]))
  m.output(m.node('Sigmoid', [sums], { name: 'gate' }), 'y', [1, 4 * WIDTH])
  return m.bytes()
}

const add = (m: Builder, a: Value, b: Value) => m.node('Add', [a, b])
const FORMS: Readonly<Record<string, Parameters<typeof cell>[0]>> = {
  'x·W + h·U': (m, a, b) => add(m, a, b),
  '(x·W + h·U) + b': (m, a, b, bias) => add(m, add(m, a, b), bias),
  'b + (h·U + x·W)': (m, a, b, bias) => add(m, bias, add(m, b, a)),
  '(x·W + b) + h·U': (m, a, b, bias) => add(m, add(m, a, bias), b),
  '(x·W + b) + (h·U + b)': (m, a, b, bias) => add(m, add(m, a, bias), add(m, b, bias)),
}

for (const [form, sum] of Object.entries(FORMS))
  test(`both products of ${form} run in integer kernels`, async () => {
    const data = randomData(24, [WIDTH], { more: { h: [WIDTH] } })
    const { model, report } = await runEngine(cell(sum), data, KEEP_ALL)
    const types = await executed(model)
    const products = types.filter((type) => /MatMul|Gemm/.test(type))
    assert.deepEqual(
      products.filter((type) => !/^(QGemm|QLinearMatMul|MatMulIntegerToFloat)$/.test(type)),
      [],
    )
    assert.equal(products.length, 2)
    assert.ok(!types.includes('DequantizeLinear'))
    assert.ok(report.metrics.fidelity!.sqnr_db > 35)
  })

test('a convolution that stays float between integer ones is executed in float', async () => {
  const m = buildModel(17)
  const conv = (input: Value, name: string, channels: number) =>
    m.node('Relu', [m.node('Conv', [input, m.weight(`${name}.w`, [8, channels, 3, 3])], { name })])
  const last = conv(conv(conv(m.input('x', ['N', 3, 16, 16]), 'first', 3), 'second', 8), 'third', 8)
  m.output(m.node('GlobalAveragePool', [last]), 'y')
  const recipe = { ...KEEP_ALL, exclude: { nodes: ['second'] } }
  const { model } = await runEngine(m.bytes(), randomData(16, [3, 16, 16]), recipe)
  const convolutions = (await executed(model)).filter((type) => type.includes('Conv'))
  assert.equal(convolutions.filter((type) => type === 'QLinearConv').length, 2)
  assert.equal(convolutions.filter((type) => /^(Fused)?Conv$/.test(type)).length, 1)
})
