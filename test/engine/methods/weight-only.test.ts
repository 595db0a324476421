/** Weight-only quantization through the engine: MatMulNBits that ONNX Runtime runs, smaller files, results that stay close. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { print } from '../../../src/engine/ir/print.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

/** x [N,128] → MatMul → Relu → Gemm (transposed, with bias) → y [N,64] */
function twoProducts(): Uint8Array {
  const m = buildModel()
  const hidden = m.node('MatMul', [m.input('x', ['N', 128]), m.weight('first', [128, 256], 0.1)], { name: 'm1' })
  const gemm = m.node('Gemm', [m.node('Relu', [hidden]), m.weight('second', [64, 256], 0.1), m.weight('bias', [64])], {
    name: 'g2',
    attributes: { transB: int(1) },
  })
  m.output(gemm, 'y', ['N', 64])
  return m.bytes()
}

const run = (method: object) =>
  runEngine(twoProducts(), null, { target: 'cpu-int4', method: { type: 'weight_only', ...method } })

describe('weight-only', () => {
  for (const [method, least, ratio] of [
    [{ bits: 8 }, 35, 0.35],
    [{ bits: 2 }, 5, 0.16],
    [{ bits: 4 }, 15, 0.22],
    [{ bits: 4, symmetric: false, block_size: 16 }, 16, 0.27],
    [{ bits: 4, block_size: 128, search: false }, 12, 0.2],
  ] as const) {
    test(`${JSON.stringify(method)} runs, is small and stays close`, async () => {
      const { report, model } = await run(method)
      assert.equal(print(model).match(/com\.microsoft\.MatMulNBits\(/g)?.length, 2)
      assert.ok(report.metrics.fidelity!.sqnr_db > least, String(report.metrics.fidelity!.sqnr_db))
      assert.ok(report.metrics.size_bytes.ratio < ratio, String(report.metrics.size_bytes.ratio))
    })
  }

  test('with data, the outputs decide whether the scales are searched', async () => {
    const { report } = await runEngine(twoProducts(), randomData(60, [128]), {
      target: 'cpu-int4',
      method: { type: 'weight_only' },
    })
    const [plain, found] = report.search
    assert.deepEqual([plain?.step, found?.step], ['rounding to nearest', 'scale search'])
    assert.equal(found!.kept, found!.sqnr_db > plain!.sqnr_db)
    assert.equal((report.options.method as { search: boolean }).search, found!.kept)
  })

  for (const [method, least] of [
    [{ bits: 4 }, 15],
    [{ bits: 4, symmetric: false, block_size: 64 }, 14],
    [{ bits: 8, symmetric: false }, 35],
  ] as const) {
    test(`${JSON.stringify(method)} as standard operators, which ONNX Runtime makes its own of`, async () => {
      const { report, model } = await run({ ...method, format: 'qdq' })
      assert.deepEqual([...model.opsets], [['', 21]])
      assert.equal(print(model).match(/ DequantizeLinear\(/g)?.length, 2)
      assert.ok(report.metrics.fidelity!.sqnr_db > least, String(report.metrics.fidelity!.sqnr_db))
      assert.ok(report.metrics.size_bytes.ratio < 0.36, String(report.metrics.size_bytes.ratio))
    })
  }

  test('2 bits have no standard form', async () => {
    await assert.rejects(run({ bits: 2, format: 'qdq' }), /no integers of 2 bits/)
  })

  test('a table of embeddings is stored in blocks once, and only rows that are picked are expanded', async () => {
    const m = buildModel()
    const table = m.weight('table', [100, 96], 1)
    const rows = ['a', 'b'].map((name) =>
      m.node('Gather', [table, m.input(name, ['N'], 'int64')], { name: `pick_${name}` }),
    )
    m.output(m.node('Add', rows as [Value, Value]), 'y', ['N', 96])
    for (const [bits, least] of [
      [8, 35],
      [4, 15],
    ] as const) {
      const method = { type: 'weight_only', bits, symmetric: false, block_size: 128 }
      const { report, model, plan } = await runEngine(m.bytes(), null, { target: 'cpu-int4', method })
      assert.equal(print(model).match(/com\.microsoft\.GatherBlockQuantized\(/g)?.length, 2)
      assert.equal([...model.graph.initializers].filter(({ name }) => name.endsWith(`_Q${bits}`)).length, 1)
      assert.equal(plan.nodes[0]?.reason, `rows of ${bits}-bit weights in blocks of 32`)
      assert.ok(report.metrics.fidelity!.sqnr_db > least, String(report.metrics.fidelity!.sqnr_db))
    }
    await assert.rejects(
      runEngine(m.bytes(), null, { target: 'cpu-int4', method: { type: 'weight_only', embeddings: false } }),
      { code: 'nothing_to_quantize' },
    )
  })

  test('an excluded product stays float and says so', async () => {
    const { plan } = await runEngine(twoProducts(), null, {
      target: 'cpu-int4',
      method: { type: 'weight_only' },
      exclude: { nodes: ['m1'], op_types: [] },
    })
    assert.equal(plan.nodes.find(({ node }) => node === 'm1')?.reason, 'excluded by the request')
  })
})
