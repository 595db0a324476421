/** What integers make slower stays float, and the report says what was measured; how long things take is never asserted. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ints } from '../../../../src/engine/ir/build.ts'
import { openRuntime } from '../../../../src/engine/runtime/ort.ts'
import { medianTimes } from '../../../../src/engine/runtime/profile.ts'
import { openWorkspace } from '../../../../src/engine/runtime/workspace.ts'
import { randomData } from '../../../kit/data.ts'
import { runEngine } from '../../../kit/engine.ts'
import { buildModel } from '../../../kit/model.ts'
import { inDirectory } from '../../../kit/run.ts'

const LENGTH = 8192

/** A long filter on one channel, which ONNX Runtime's integer kernel takes several times as long for, and a wide layer behind it. */
function filterBank(): Uint8Array {
  const m = buildModel(17)
  const x = m.input('x', ['N', 1, 1, LENGTH])
  const filtered = m.node('Conv', [x, m.weight('filter.w', [1, 1, 1, 256], 0.05)], {
    name: 'filter',
    output: 'filtered',
  })
  const attributes = { strides: ints([1, 4]) }
  const wide = m.node('Conv', [filtered, m.weight('wide.w', [32, 1, 1, 8], 0.3)], { name: 'wide', attributes })
  const deep = m.node('Conv', [m.node('Relu', [wide]), m.weight('deep.w', [32, 32, 1, 8], 0.1)], {
    name: 'deep',
    attributes,
  })
  m.output(m.node('GlobalAveragePool', [deep], { name: 'pool' }), 'y')
  return m.bytes()
}

test('the plan, the options and the search tell the same story of slow layers', async () => {
  const { report, plan } = await runEngine(filterBank(), randomData(48, [1, 1, LENGTH]))
  const slow = plan.nodes.filter(({ reason }) => reason.startsWith('in integers it takes')).map(({ node }) => node)
  const kept = report.search.filter(({ step, kept }) => /slow layers float|keep up/.test(step) && kept)
  const { float_nodes = [] } = report.options.method as { float_nodes?: string[] }
  assert.deepEqual(slow.toSorted(), float_nodes.toSorted())
  const counts = kept.map(({ step }) => Number.parseInt(step, 10))
  assert.equal(
    counts.reduce((a, b) => a + b, 0),
    slow.length,
  )
})

test('asked for size, every layer is quantized', async () => {
  const method = { type: 'static', skip_slow_layers: false }
  const { report, plan } = await runEngine(filterBank(), randomData(48, [1, 1, LENGTH]), { method })
  assert.ok(plan.nodes.filter(({ op_type }) => op_type === 'Conv').every(({ quantized }) => quantized))
  assert.ok(!report.search.some(({ step }) => /slow layers float|keep up/.test(step)))
})

test('a profile has the time of every kernel by the name of its node, and leaves no file behind', () =>
  inDirectory(async (directory) => {
    const m = buildModel(17)
    const x = m.input('x', ['N', 16])
    const product = m.node('MatMul', [x, m.weight('w', [16, 16])], { name: 'product' })
    m.output(m.node('Sin', [product], { name: 'wave' }), 'y')
    const path = openWorkspace(directory).save('model.onnx', m.model)
    const session = await openRuntime(1).load(path, { optimization: 'all', profile: 'times' })
    const feeds = { x: { dtype: 'float32' as const, dims: [2, 16], data: new Float32Array(32) } }
    for (let i = 0; i < 3; i++) await session.run(feeds)
    const times = medianTimes(session.kernels!())
    await session.release()
    assert.deepEqual([...times.keys()].toSorted(), ['product', 'wave'])
    assert.ok([...times.values()].every((time) => time >= 0))
    assert.deepEqual(readdirSync(join(directory)), ['model.onnx'])
  }))
