/** Recurrent layers in every method: what becomes integers follows the float layer, and what cannot stays what it was. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { PlanDocument } from '../../../src/contract/report.ts'
import { int, string } from '../../../src/engine/ir/build.ts'
import { int64, tensorOf } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const [STEPS, SEQUENCES, FEATURES] = [5, 2, 24]
const GATES = { GRU: 3, LSTM: 4, RNN: 1 } as const

interface Layer {
  opType: keyof typeof GATES
  direction: 'forward' | 'reverse' | 'bidirectional'
  hidden: number
  resetsLate?: boolean
  bias?: boolean
  state?: boolean
  lengths?: boolean
  /** which results are read */
  reads?: ('all' | 'last')[]
}

/** x [steps, sequences, features] → the layer → a product of each result that is read. */
function network(layer: Layer, opset = 17): Uint8Array {
  const { opType, direction, hidden, bias = true, state = false, lengths = false, reads = ['all', 'last'] } = layer
  const m: Builder = buildModel(opset)
  const x = m.input('x', [STEPS, SEQUENCES, FEATURES])
  const directions = direction === 'bidirectional' ? 2 : 1
  const rows = GATES[opType] * hidden
  const weights = [m.weight('w', [directions, rows, FEATURES], 0.1), m.weight('r', [directions, rows, hidden], 0.05)]
  const inputs = [
    bias ? m.weight('b', [directions, 2 * rows]) : null,
    lengths ? m.constant('lengths', tensorOf('int32', [SEQUENCES], Int32Array.of(STEPS, 3))) : null,
    state ? m.weight('state', [directions, SEQUENCES, hidden]) : null,
  ]
  const [all, last] = [m.fresh('all'), m.fresh('last')]
  m.node(opType, [x, ...weights, ...inputs], {
    name: 'layer',
    outputs: [all, last],
    attributes: {
      hidden_size: int(hidden),
      direction: string(direction),
      ...(layer.resetsLate && { linear_before_reset: int(1) }),
    },
  })
  for (const name of reads) {
    const flat = m.node('Reshape', [name === 'all' ? all : last, m.constant('shape', int64([2], [-1, hidden]))])
    m.output(m.node('MatMul', [flat, m.weight(`${name}_head`, [hidden, 8])]), `y_${name}`)
  }
  return m.bytes()
}

const layerIn = ({ nodes }: PlanDocument) => nodes.find(({ node }) => node === 'layer')!

const GRUS: readonly Layer[] = (['forward', 'reverse', 'bidirectional'] as const).flatMap((direction) => [
  { opType: 'GRU', direction, hidden: 256, resetsLate: true },
  { opType: 'GRU', direction, hidden: 256, resetsLate: false, state: true },
  { opType: 'GRU', direction, hidden: 256, resetsLate: true, bias: false, state: true, reads: ['last'] },
  { opType: 'GRU', direction, hidden: 256, resetsLate: false, bias: false, reads: ['all'] },
])

const wordsFor = ({ opType, direction, resetsLate, bias, state, reads }: Layer) =>
  `${opType} ${direction}, ${[resetsLate && 'reset late', bias === false && 'no bias', state && 'a state', reads?.join()].filter(Boolean).join(', ')}`

suite('a GRU in steps', () => {
  for (const layer of GRUS) {
    test(wordsFor(layer), async () => {
      const { report, plan, model } = await runEngine(network(layer), null, { method: { type: 'dynamic' } })
      assert.ok(layerIn(plan).quantized, layerIn(plan).reason)
      assert.ok(![...model.graph.nodes].some(({ opType }) => opType === 'GRU'))
      const { sqnr_db } = report.metrics.fidelity!
      assert.ok(sqnr_db > 30, `${sqnr_db} dB`)
      assert.ok(report.metrics.size_bytes.ratio < 0.3)
      assert.ok(
        report.metrics.coverage.integer_kernels! >= 3,
        'products and their conversions are one kernel in the steps too',
      )
    })
  }

  test('old operator sets', async () => {
    const layer: Layer = { opType: 'GRU', direction: 'bidirectional', hidden: 256, state: true }
    const { report } = await runEngine(network(layer, 9), null, { method: { type: 'dynamic' } })
    assert.ok(report.metrics.fidelity!.sqnr_db > 30)
  })

  const REFUSED: readonly [string, Partial<Layer>, RegExp][] = [
    ['small ones', { hidden: 64 }, /slower/],
    ['lengths of their own', { lengths: true }, /lengths/],
  ]
  for (const [words, change, reason] of REFUSED) {
    test(`${words} stay float and say so`, async () => {
      const layer: Layer = { opType: 'GRU', direction: 'forward', hidden: 256, ...change }
      for (const type of ['dynamic', 'static']) {
        const { plan, model } = await runEngine(network(layer), randomData(24, [STEPS, SEQUENCES, FEATURES]), {
          method: { type },
        })
        assert.deepEqual(
          [layerIn(plan).quantized, reason.test(layerIn(plan).reason)],
          [false, true],
          layerIn(plan).reason,
        )
        assert.ok([...model.graph.nodes].some(({ opType }) => opType === 'GRU'))
      }
    })
  }
})

suite('static quantization for processors', () => {
  for (const opType of ['LSTM', 'GRU'] as const) {
    test(`${opType} quantizes its activations at run time`, async () => {
      const layer: Layer = { opType, direction: 'bidirectional', hidden: 256 }
      const data = randomData(48, [STEPS, SEQUENCES, FEATURES])
      const { report, plan } = await runEngine(network(layer), data)
      assert.ok(layerIn(plan).quantized, layerIn(plan).reason)
      assert.equal(report.metrics.coverage.macs_integer, 1)
      assert.ok(report.metrics.size_bytes.ratio < 0.3)
      assert.ok(report.metrics.fidelity!.sqnr_db > 30)
      const excluded = await runEngine(network(layer), data, { exclude: { nodes: [], op_types: [opType] } })
      assert.ok(!layerIn(excluded.plan).quantized)
      assert.ok(excluded.report.metrics.coverage.macs_integer! < 0.1, 'what stays float counts')
    })
  }

  test('other targets and training leave them float', async () => {
    const layer: Layer = { opType: 'LSTM', direction: 'forward', hidden: 32 }
    const data = randomData(48, [STEPS, SEQUENCES, FEATURES])
    const { plan } = await runEngine(network(layer), data, { target: 'npu-openvino' })
    assert.ok(!layerIn(plan).quantized)
    const refined = await runEngine(network(layer), data, { method: { type: 'static', refine: { steps: 2 } } })
    assert.ok(!layerIn(refined.plan).quantized)
  })
})

suite('weight_only', () => {
  for (const opType of ['LSTM', 'GRU', 'RNN'] as const) {
    test(`${opType} keeps its weights in 8 bits`, async () => {
      const layer: Layer = { opType, direction: 'bidirectional', hidden: 64 }
      const { report, plan } = await runEngine(network(layer), null, {
        target: 'cpu-int4',
        method: { type: 'weight_only', bits: 8 },
      })
      assert.ok(layerIn(plan).quantized, layerIn(plan).reason)
      assert.ok(report.metrics.size_bytes.ratio < 0.5, String(report.metrics.size_bytes.ratio))
      assert.ok(report.metrics.fidelity!.sqnr_db > 35)
    })
  }
})
