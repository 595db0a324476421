/** Block-wise reconstruction: where networks fall into blocks, that blocks learn alone, and what that wins. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Value } from '../../../../src/engine/ir/graph.ts'
import { print } from '../../../../src/engine/ir/print.ts'
import { blockEnds, divideIntoBlocks } from '../../../../src/engine/methods/qat/blocks.ts'
import { buildStep } from '../../../../src/engine/methods/qat/step.ts'
import { randomData } from '../../../kit/data.ts'
import { runEngine } from '../../../kit/engine.ts'
import { type Builder, buildModel, convNet, IMAGE } from '../../../kit/model.ts'
import { withStudent } from '../../../kit/student.ts'

const COARSE = {
  id: 'coarse',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', bits: 3, symmetric: true, granularity: 'channel' },
}

function layer(m: Builder, x: Value, name: string): Value {
  const product = Object.assign(m.node('MatMul', [x, m.weight(name, [8, 8])], { name, output: `${name}_out` }), {
    dtype: 'float32',
  })
  return Object.assign(m.node('Relu', [product], { output: `${name}_relu` }), { dtype: 'float32' })
}

describe('blocks', () => {
  test('layers in a row make blocks of two, which end behind what follows the second', () => {
    const m = buildModel()
    let x = m.input('x', ['N', 8])
    for (const name of ['a', 'b', 'c', 'd', 'e']) x = layer(m, x, name)
    m.output(x, 'y', ['N', 8])
    assert.deepEqual(blockEnds(m.model.graph), [
      ['b_relu', 'b_out'],
      ['d_relu', 'd_out'],
    ])
  })

  test('a block never ends between branches, and inputs that pass by do not hold it open', () => {
    const m = buildModel()
    const [x, mask] = [m.input('x', ['N', 8]), m.input('mask', ['N', 8])]
    const first = layer(m, x, 'a')
    const sum = m.node('Add', [layer(m, layer(m, first, 'b'), 'c'), first], { output: 'sum' })
    const masked = m.node('Mul', [sum, mask], { output: 'masked' })
    for (const value of [sum, masked]) value.dtype = 'float32'
    m.output(layer(m, masked, 'd'), 'y', ['N', 8])
    assert.deepEqual(blockEnds(m.model.graph), [['masked', 'sum']])
  })

  test('no gradient of a later block reaches an earlier one', async () => {
    const options = { model: convNet({ width: 8 }), shape: IMAGE, target: COARSE, mode: 'learned', batch: 4 } as const
    await withStudent(options, async ({ student }) => {
      const weights = student.parameters.filter(({ kind }) => kind === 'weight')
      const first = [...student.model.graph.nodes].find(({ opType }) => opType === 'Conv')!.outputs[0]!
      const { terms, ends } = divideIntoBlocks(student, [[first.name]])
      assert.deepEqual(ends, [first.name])
      assert.equal(terms.length, 2)
      const settings = { optimizer: 'adamw', maxGradientNorm: 1, decays: false } as const
      const step = buildStep(student, { terms: terms.filter(({ output }) => output !== first.name), ...settings })
      assert.ok(step.untrained.includes(weights[0]!.key), 'the first kernel learns nothing from the output')
      assert.ok(!step.untrained.includes(weights.at(-1)!.key), 'the last matrix does')
    })
  })
})

describe('refining a static quantization', () => {
  const run = (method: object) =>
    runEngine(convNet({ width: 8 }), randomData(120, IMAGE), { target: COARSE, method: { type: 'static', ...method } })
  const refine = { steps: 80, batch_size: 16 }

  test('brings the outputs closer to the float model, on samples that nothing was fitted to, and repeats itself', async () => {
    const [plain, refined, again] = [await run({ adaround: 'auto' }), await run({ refine }), await run({ refine })]
    const { training, metrics, options } = refined.report
    assert.equal(training!.loss, 'block_reconstruction')
    assert.equal(training!.kept, 'trained')
    assert.ok(training!.best!.loss < training!.post_training.loss)
    assert.ok(
      metrics.fidelity!.sqnr_db > plain.report.metrics.fidelity!.sqnr_db + 1,
      `${plain.report.metrics.fidelity!.sqnr_db} → ${metrics.fidelity!.sqnr_db}`,
    )
    assert.ok(refined.messages.some((message) => message.type === 'training' && message.total_steps === 80))
    assert.ok((options.method as { refine: unknown }).refine)
    assert.equal(print(again.model), print(refined.model))
    assert.equal(again.report.metrics.fidelity!.sqnr_db, metrics.fidelity!.sqnr_db)
  })

  test('what does not help is not kept', async () => {
    const plain = await run({ adaround: 'auto' })
    const refined = await run({ refine: { ...refine, learning_rate: 1 } })
    assert.equal(refined.report.training!.kept, 'post_training')
    assert.equal(print(refined.model), print(plain.model))
    assert.equal((refined.report.options.method as { refine: unknown }).refine, false)
  })

  test('needs calibration data', async () => {
    const alone = runEngine(convNet(), null, { target: COARSE, method: { type: 'static', refine: true } })
    await assert.rejects(alone, { code: 'dataset_required' })
  })
})
