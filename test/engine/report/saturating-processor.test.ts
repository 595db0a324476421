/** Who quantizes on a processor whose sums saturate is told of the target that is made for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import { saturatingProcessor } from '../../../src/engine/report/saturating-processor.ts'
import { TARGETS } from '../../../src/engine/targets/index.ts'

const told = (target: keyof typeof TARGETS, method: object, saturates = true) =>
  saturatingProcessor(TARGETS[target], Recipe.parse({ target, method }), saturates)

test('cpu-int8 on a processor without VNNI: the warning names the other target', () => {
  const [warning, ...others] = told('cpu-int8', { type: 'static' })
  assert.equal(warning!.code, 'saturating_processor')
  assert.match(warning!.detail, /no VNNI.*The target cpu-int8-avx2 narrows/)
  assert.equal(others.length, 0)
  assert.equal(told('cpu-int8', { type: 'qat' }).length, 1)
})

for (const [name, found] of [
  ['a processor that sums exactly', () => told('cpu-int8', { type: 'static' }, false)],
  ['the target that narrows weights', () => told('cpu-int8-avx2', { type: 'static' })],
  ['other hardware', () => told('npu-qnn-htp', { type: 'static' })],
  ['a job that is to equal another tool', () => told('cpu-int8', { type: 'static', compat: 'onnxruntime' })],
  ['a method that narrows nothing', () => told('cpu-int8', { type: 'dynamic' })],
] as const)
  test(`no such warning for ${name}`, () => {
    assert.deepEqual(found(), [])
  })
