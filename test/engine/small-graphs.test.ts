/** Graphs so small that a stage has nothing to do: nothing to observe inside, nothing to compare. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int } from '../../src/engine/ir/build.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { buildModel } from '../kit/model.ts'

const data = randomData(40, [8])

describe('a graph', () => {
  test('of one node has no values to observe besides its input', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    m.output(m.node('MatMul', [x, m.weight('w', [8, 4])], { name: 'only' }), 'y', ['N', 4])
    const { report } = await runEngine(m.bytes(), data)
    assert.ok(report.metrics.fidelity!.sqnr_db > 25)
  })

  test('that answers only integers is judged by how many are the same', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const scores = m.node('Relu', [m.node('MatMul', [x, m.weight('w', [8, 4])], { name: 'm' })], { name: 'r' })
    const top = m.node('ArgMax', [scores], { name: 'top', attributes: { axis: int(1), keepdims: int(0) } })
    m.output(top, 'y', ['N'], 'int64')
    const { report } = await runEngine(m.bytes(), data)
    const { kind, equal, sqnr_db } = report.metrics.fidelity!.outputs[0]!
    assert.equal(kind, 'discrete')
    assert.ok(equal! > 0.9 && (sqnr_db > 10 || equal === 1))
    assert.ok(report.search.every((step) => step.sqnr_db > 0))
  })
})
