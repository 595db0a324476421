/** Layers that are given back to float for speed: by their times, and never so many that nothing is left in integers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Value } from '../../../../src/engine/ir/graph.ts'
import { affordableOf } from '../../../../src/engine/methods/static/floor.ts'
import { openRuntime } from '../../../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../../../src/engine/runtime/workspace.ts'
import { layerTimes } from '../../../../src/engine/verify/layer-times.ts'
import { randomData } from '../../../kit/data.ts'
import { runEngine } from '../../../kit/engine.ts'
import { buildModel, convNet, mlp } from '../../../kit/model.ts'
import { inDirectory, typedModel } from '../../../kit/run.ts'

/** Products of one size, one behind the other. */
async function chain(count: number) {
  const m = buildModel()
  let x: Value = m.input('x', ['N', 16])
  for (let i = 0; i < count; i++)
    x = m.node('Relu', [m.node('MatMul', [x, m.weight(`w${i}`, [16, 16])], { name: `m${i}` })])
  m.output(x, 'y', ['N', 16])
  const { graph } = await typedModel(m.bytes())
  const layers = [...graph.nodes].map((node) => ({ node, float: 1, quantized: 2, conversions: 0 }))
  return { graph, layers }
}

describe('layers that are given back to float', () => {
  test('half of the multiplications and weights stay in integers', async () => {
    const { graph, layers } = await chain(6)
    const names = new Set(layers.map(({ node }) => node.name))
    const products = affordableOf(layers, graph, names, ({ node }) => [node]).filter(
      ({ node }) => node.opType === 'MatMul',
    )
    assert.deepEqual(
      products.map(({ node }) => node.name),
      ['m0', 'm1', 'm2'],
    )
  })

  test('where less than half is in integers, no multiplication leaves them', async () => {
    const { graph, layers } = await chain(6)
    const given = affordableOf(layers, graph, new Set(['m0', 'm1']), ({ node }) => [node])
    assert.ok(given.every(({ node }) => node.opType === 'Relu'))
  })
})

test('times of layers are those of their kernels, and conversions are charged to who needs them', async () => {
  const { model } = await runEngine(convNet(), randomData(40, [3, 16, 16]), {
    method: { type: 'static', skip_slow_layers: false },
  })
  const float = await typedModel(convNet())
  await inDirectory(async (directory) => {
    const workspace = openWorkspace(directory)
    const x = Float32Array.from({ length: 3 * 256 }, (_, i) => Math.sin(i))
    const times = await layerTimes({
      runtime: openRuntime(1),
      floatPath: workspace.save('float.onnx', float),
      path: workspace.save('quantized.onnx', model),
      model,
      graph: float.graph,
      feeds: { x: { dtype: 'float32', dims: [1, 3, 16, 16], data: x } },
    })
    const byName = new Map(times.layers.map((layer) => [layer.node.name, layer]))
    for (const name of ['stem', 'block', 'head']) {
      const { float: before, quantized } = byName.get(name)!
      assert.ok(before !== undefined && before > 0, `${name} takes ${before} ms in float`)
      assert.ok(quantized !== undefined && quantized > 0, `${name} takes ${quantized} ms in integers`)
    }
    assert.ok(byName.get('stem')!.conversions > 0, 'the image is converted for the first layer')
    assert.equal(byName.get('block')!.conversions, 0)
    assert.ok(times.quantized > times.conversions && times.conversions > 0)
  })
})

test('an artifact that is slower than float says where its time goes and what else was measured', async () => {
  const { report } = await runEngine(mlp(), randomData(40, [8]))
  for (const { detail } of report.warnings.filter(({ code }) => code === 'slower_than_float')) {
    assert.match(detail, /^on this machine one run takes [\d.]+ ms, the float model [\d.]+ ms\. Conversions /)
    assert.match(detail, /The method dynamic (takes [\d.]+ ms|has nothing to quantize)/)
  }
})
