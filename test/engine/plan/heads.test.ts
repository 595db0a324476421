/** Heads of detectors are recognised by the ranges that they join. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const SIDE = 8
const CELLS = SIDE * SIDE

/** A body and three branches: objectness, boxes in pixels on a grid, classes; all of them in one output [N, 9, 64]. */
function detector(pixels: number): Uint8Array {
  const m = buildModel(17, 3)
  const conv = (x: Value, name: string, outputs: number, inputs: number, kernel: number) =>
    m.node(
      'Conv',
      [x, m.weight(`${name}.w`, [outputs, inputs, kernel, kernel], 0.2), m.weight(`${name}.b`, [outputs])],
      {
        name,
        attributes: { kernel_shape: ints([kernel, kernel]), pads: ints(Array(4).fill((kernel - 1) / 2)) },
      },
    )
  const body = m.node('Relu', [conv(m.input('x', ['N', 3, SIDE, SIDE]), 'body', 16, 3, 3)], { name: 'relu' })
  const flat = (value: Value, channels: number, name: string) =>
    m.node('Reshape', [value, shapeOf(m, channels)], { name: `${name}_flat` })
  const sigmoid = (value: Value, name: string) => m.node('Sigmoid', [value], { name: `${name}_sigmoid` })
  const boxes = m.node(
    'Mul',
    [sigmoid(flat(conv(body, 'box', 4, 16, 1), 4, 'box'), 'box'), m.constant('stride', float32([], [pixels]))],
    {
      name: 'box_decode',
    },
  )
  const joined = m.node(
    'Concat',
    [
      sigmoid(flat(conv(body, 'object', 1, 16, 1), 1, 'object'), 'object'),
      boxes,
      sigmoid(flat(conv(body, 'class', 4, 16, 1), 4, 'class'), 'class'),
    ],
    { name: 'join', attributes: { axis: int(1) } },
  )
  m.output(joined, 'y', ['N', 9, CELLS])
  return m.bytes()
}

const shapeOf = (m: Builder, channels: number): Value =>
  m.constant(`shape_${channels}_${m.model.names.size}`, {
    dtype: 'int64',
    shape: [3],
    data: new Uint8Array(BigInt64Array.of(0n, BigInt(channels), BigInt(CELLS)).buffer),
  })

/** a target that would quantize everything */
const EVERYTHING = {
  id: 'everything',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', symmetric: true, granularity: 'channel' },
}
const METHOD = { type: 'static', observer: 'minmax', bias_correction: false }
const data = () => randomData(64, [3, SIDE, SIDE])

describe('detector heads', () => {
  test('pixels joined with probabilities stay float, with the reason in the plan', async () => {
    const { plan, report } = await runEngine(detector(640), data(), { target: EVERYTHING, method: METHOD })
    const reasonOf = (name: string) => plan.nodes.find(({ node }) => node === name)?.reason ?? ''
    assert.match(reasonOf('join'), /^it joins numbers up to \d+ .* with numbers up to (0|1)\.\d+/)
    for (const name of ['box_decode', 'class_sigmoid', 'object_sigmoid'])
      assert.match(reasonOf(name), /belongs to the head of "join"/)
    for (const name of ['body', 'box', 'class', 'object']) assert.equal(reasonOf(name), 'runs in integers')
    assert.ok(report.metrics.fidelity!.sqnr_db > 30)
  })

  test('branches of one size stay in integers', async () => {
    const { plan } = await runEngine(detector(2), data(), { target: EVERYTHING, method: METHOD })
    assert.ok(plan.nodes.every(({ reason }) => !reason.includes('joins numbers')))
    assert.ok(plan.nodes.find(({ node }) => node === 'join')?.quantized)
  })

  test('a target without float operators keeps them in integers', async () => {
    const { plan } = await runEngine(detector(640), data(), {
      target: { ...EVERYTHING, float_operators: 'forbidden' },
      method: METHOD,
    })
    assert.ok(plan.nodes.every(({ quantized }) => quantized))
  })
})
