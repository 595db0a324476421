/** Arguments of onnxruntime.quantization in a recipe: what they make, and what is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import { print } from '../../../src/engine/ir/print.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { convNet, IMAGE, mlp } from '../../kit/model.ts'

const method = (quantize_static: object, more: object = {}) => ({
  method: { type: 'static', compat: 'onnxruntime', quantize_static, ...more },
})

describe('arguments of quantize_static', () => {
  test('the QOperator format', async () => {
    const { report, model } = await runEngine(convNet(), randomData(40, IMAGE), method({ quant_format: 'QOperator' }))
    assert.match(print(model), /= QLinearConv\(/)
    assert.doesNotMatch(print(model), /DequantizeLinear\(.*weight/)
    assert.ok(report.metrics.fidelity!.sqnr_db > 15)
  })

  test('4-bit weights', async () => {
    const given = { weight_type: 'QInt4', extra_options: { UseQDQContribOps: true } }
    const { report, model } = await runEngine(convNet(), randomData(40, IMAGE), method(given))
    assert.ok([...model.graph.initializers].some(({ tensor }) => tensor?.dtype === 'int4'))
    assert.ok(report.metrics.fidelity!.sqnr_db > 5)
  })

  test('16-bit activations of one tensor, converted for its reader', async () => {
    const extra_options = {
      TensorQuantOverrides: { x: [{ quant_type: 'QUInt8', convert: { quant_type: 'QUInt16' } }] },
    }
    const made = await runEngine(convNet(), randomData(40, IMAGE), method({ extra_options }))
    assert.equal(made.model.opsets.get(''), 21)
    const scales = [...made.model.graph.initializers].map(({ name }) => name)
    assert.ok(scales.includes('x_scale') && scales.includes('x_scale_convert'))
  })

  test('a tensor that the model does not have is refused by name', async () => {
    const extra_options = { TensorQuantOverrides: { nowhere: [{ quant_type: 'QInt8' }] } }
    await assert.rejects(runEngine(convNet(), randomData(8, IMAGE), method({ extra_options })), /"nowhere" is not in/)
  })

  test('entries that do not fit the channels are refused', async () => {
    const extra_options = { TensorQuantOverrides: { x: [{ axis: 0, rmin: -1, rmax: 1 }] } }
    await assert.rejects(runEngine(convNet(), randomData(8, IMAGE), method({ extra_options })), /leave the axis out/)
  })
})

test('arguments of quantize_dynamic', async () => {
  const { model } = await runEngine(mlp(), null, {
    method: { type: 'dynamic', compat: 'onnxruntime', quantize_dynamic: { weight_type: 'QUInt8' } },
  })
  const weights = [...model.graph.initializers].filter(({ name }) => name.endsWith('_quantized'))
  assert.ok(weights.length > 0 && weights.every(({ tensor }) => tensor?.dtype === 'uint8'))
})

test('arguments are checked before there is a job', () => {
  const problems = (given: object) =>
    Recipe.safeParse({ target: 'cpu-int8', method: { type: 'static', ...given } }).error?.issues.map(
      ({ path, message }) => [path.slice(1).join('.'), message].join(': '),
    )
  const compat = 'onnxruntime'
  assert.deepEqual(problems({ quantize_static: {} }), ['quantize_static: only together with compat'])
  const blocks = { quant_format: 'QOperator', extra_options: { BlockSize: 32 } }
  assert.deepEqual(problems({ compat, quantize_static: blocks }), [
    'quantize_static.extra_options.BlockSize: only together with the format QDQ',
  ])
  const overrides = { extra_options: { TensorQuantOverrides: { x: [{ scale: 0.1 }] } } }
  assert.match(problems({ compat, quantize_static: overrides })![0]!, /scale and zero_point come together/)
  assert.match(problems({ compat, quantize_static: { extra_options: { BlokSize: 1 } } })![0]!, /BlokSize/)
})
