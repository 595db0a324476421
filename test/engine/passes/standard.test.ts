/** Operators that ONNX Runtime would inline, or that only its optimizer writes, as standard ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int } from '../../../src/engine/ir/build.ts'
import type { Dim } from '../../../src/engine/ir/graph.ts'
import { standardOperators } from '../../../src/engine/passes/standard/index.ts'
import { buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'
import { typedModel } from '../../kit/run.ts'

for (const [opset, parameters] of [
  [18, 2],
  [21, 4],
] as const) {
  for (const shape of [
    [2, 4, 3],
    [2, 4, 3, 5],
  ])
    test(`GroupNormalization of operator set ${opset} over [${shape}] is InstanceNormalization over groups`, async () => {
      const model = oneNode(opset, shape, (m, x) =>
        m.node('GroupNormalization', [x, m.weight('s', [parameters]), m.weight('b', [parameters])], {
          attributes: { num_groups: int(2) },
        }),
      )
      await sameResults(model, apply(standardOperators))
      const affine = parameters === 4 ? ['Mul', 'Add'] : []
      assert.deepEqual(
        operatorsOf(model).filter((name) => name !== 'Reshape'),
        ['InstanceNormalization', ...affine],
      )
    })
}

function groupNorm(shape: readonly Dim[]): Uint8Array {
  const m = buildModel(21)
  const x = m.node('Relu', [m.input('x', shape)])
  const inputs = [x, m.weight('s', [4]), m.weight('b', [4])]
  m.output(m.node('GroupNormalization', inputs, { attributes: { num_groups: int(2) } }), 'y', shape)
  return m.bytes()
}

test('folding leaves nothing but the norm and its affine part', async () => {
  const folded = await typedModel(groupNorm(['N', 4, 6, 'W']))
  const expected = ['Relu', 'Reshape', 'InstanceNormalization', 'Reshape', 'Mul', 'Add']
  assert.deepEqual(operatorsOf(folded), expected)
})

test('two free places take the shape at run time', async () => {
  const folded = await typedModel(groupNorm(['N', 4, 'H', 'W']))
  assert.deepEqual(operatorsOf(folded).filter((name) => name === 'Shape').length, 1)
  assert.ok(operatorsOf(folded).includes('InstanceNormalization'))
})

test('what ONNX Runtime inlines leaves no cast of a constant behind', async () => {
  const m = buildModel(24)
  m.output(m.node('Swish', [m.input('x', [2, 3])], { attributes: { alpha: { kind: 'float', value: 1.5 } } }), 'y')
  assert.deepEqual(operatorsOf(await typedModel(m.bytes())), ['Mul', 'Sigmoid', 'Mul'])
})
