/** Compatible jobs that quantize nothing say so: the peer writes such files without a word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const METHODS = [
  { type: 'dynamic', compat: 'onnxruntime' },
  { type: 'static', compat: 'onnxruntime' },
] as const

/** x [1,4] → a product where `hasLayer`, and a softplus, which nobody quantizes */
function model(hasLayer: boolean): Uint8Array {
  const m = buildModel()
  const x = m.input('x', [1, 4])
  const product = hasLayer ? m.node('MatMul', [x, m.weight('w', [4, 4])]) : x
  m.output(m.node('Softplus', [product]), 'y', [1, 4])
  return m.bytes()
}

async function codes(hasLayer: boolean, method: (typeof METHODS)[number]): Promise<string[]> {
  const data = method.type === 'static' ? randomData(8, [4]) : null
  const { report } = await runEngine(model(hasLayer), data, { method })
  return report.warnings.map(({ code }) => code)
}

for (const method of METHODS)
  test(`${method.type} with compat says that nothing was quantized, and only then`, async () => {
    assert.ok((await codes(false, method)).includes('nothing_quantized'))
    assert.ok(!(await codes(true, method)).includes('nothing_quantized'))
  })
