/** Inputs and outputs that are no tensors of numbers are refused before anything runs, with the way to export. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { refuseBorders } from '../../../src/engine/ir/borders.ts'
import { Value } from '../../../src/engine/ir/graph.ts'
import { decodeModel, encodeModel } from '../../../src/engine/onnx/index.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const refusalOf = (use: () => unknown): FewbitError => {
  try {
    use()
  } catch (error) {
    if (error instanceof FewbitError) return error
    throw error
  }
  throw new Error('it was not refused')
}

const fileOf = (name: string): string => join(process.cwd(), 'test', 'cases', name, 'model.onnx')

test('ZipMap is named, with the option that leaves it out', () => {
  const { code, message, extra } = refusalOf(() => refuseBorders(decodeModel(fileOf('sklearn-zipmap')).model))
  assert.equal(code, 'model_signature_unsupported')
  assert.match(message, /output "probs" is a sequence of maps, which ZipMap/)
  assert.match(extra.hint!, /zipmap/)
})

test('strings that go in are named', () => {
  const { message, extra } = refusalOf(() => refuseBorders(decodeModel(fileOf('string-input')).model))
  assert.match(message, /input "s" holds strings/)
  assert.match(extra.hint!, /token ids/)
})

for (const [byte, kind] of [
  [0x22, 'a sequence'],
  [0x2a, 'a map'],
  [0x4a, 'optional'],
] as const)
  test(`what is ${kind} is refused at both ends`, () => {
    for (const end of ['inputs', 'outputs'] as const) {
      const { model } = buildModel()
      const value = new Value('v')
      value.opaqueType = Uint8Array.of(byte, 0)
      model.graph[end].push(value)
      assert.match(refusalOf(() => refuseBorders(model)).message, new RegExp(`"v" is ${kind}`))
    }
  })

test('a classifier without ZipMap is used, its labels in words', async () => {
  const { model } = decodeModel(fileOf('sklearn-zipmap'))
  const [label, probs] = model.graph.outputs
  const [zip] = [...model.graph.nodes].filter(({ opType }) => opType === 'ZipMap')
  model.graph.outputs.splice(0, 2, label!, zip!.inputs[0]!)
  model.graph.removeNode(zip!)
  assert.ok(probs)
  const { report } = await runEngine(encodeModel(model), null, { method: { type: 'dynamic' } })
  assert.ok(report.metrics.fidelity!.sqnr_db > 20, `${report.metrics.fidelity!.sqnr_db} dB`)
})

test('tensors are taken', () => {
  const m = buildModel()
  m.output(m.node('Relu', [m.input('x', [2])]), 'y')
  refuseBorders(m.model)
})
