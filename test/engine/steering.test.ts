/** What only computes sizes, scales, lengths or indices is never rounded, whatever the method and the target. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { int, ints } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64, scalar } from '../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../src/engine/onnx/index.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { sqnrOf } from '../kit/follow.ts'
import { type Builder, buildModel } from '../kit/model.ts'
import { inDirectory } from '../kit/run.ts'

const SHAPE = [4, 7, 7]

/** x [N,4,7,7] → Conv → what `middle` makes of it → Conv → y. */
function between(middle: (m: Builder, h: Value) => Value, opset = 17): Uint8Array {
  const m = buildModel(opset)
  const conv = (from: Value, name: string) => m.node('Conv', [from, m.weight(name, [4, 4, 1, 1])], { name })
  m.output(conv(middle(m, conv(m.input('x', ['N', ...SHAPE]), 'first')), 'last'), 'y')
  return m.bytes()
}

const cast = (m: Builder, value: Value, to: number) => m.node('Cast', [value], { attributes: { to: int(to) } })
const INT64 = 7
/** 0 for every image, as one number that the model computes from it */
const zeroOf = (m: Builder, h: Value): Value => {
  const mean = m.node('ReduceMean', [h], { attributes: { axes: ints([0, 1, 2, 3]), keepdims: int(0) } })
  return m.node('Mul', [mean, m.constant('zero', scalar(0))])
}

const FORMS: Record<string, Uint8Array> = {
  'scales of Resize': between((m, h) => {
    const ratio = m.node('Add', [zeroOf(m, h), m.constant('ratio', float32([2], [13 / 7, 11 / 7]))])
    const scales = m.node('Concat', [m.constant('ones', float32([2], [1, 1])), ratio], { attributes: { axis: int(0) } })
    return m.node('Resize', [h, null, scales])
  }),
  'a shape of Reshape': between((m, h) => {
    const side = m.node('Add', [zeroOf(m, h), m.constant('side', float32([1], [49]))])
    const dims = [m.constant('front', int64([2], [0, 4])), cast(m, side, INT64), m.constant('one', int64([1], [1]))]
    return m.node('Reshape', [h, m.node('Concat', dims, { attributes: { axis: int(0) } })])
  }),
  'indices of Gather from a Range in float': between((m, h) => {
    const limit = m.node('Add', [zeroOf(m, h), m.constant('limit', scalar(5))])
    const range = m.node('Range', [m.constant('start', scalar(0)), limit, m.constant('step', scalar(1))])
    return m.node('Gather', [h, cast(m, range, INT64)], { attributes: { axis: int(3) } })
  }),
  'pads of Pad and ends of Slice': between((m, h) => {
    const many = m.node('Add', [zeroOf(m, h), m.constant('many', float32([8], [0, 0, 3, 1, 0, 0, 2, 4]))])
    const padded = m.node('Pad', [h, cast(m, m.node('Round', [many]), INT64)])
    const end = cast(m, m.node('Add', [zeroOf(m, h), m.constant('end', float32([1], [9]))]), INT64)
    const [start, axis] = [m.constant('start', int64([1], [2])), m.constant('axis', int64([1], [2]))]
    return m.node('Slice', [padded, start, end, axis])
  }),
}

describe('what steers an operator stays float', () => {
  for (const [name, model] of Object.entries(FORMS)) {
    for (const target of ['cpu-int8', 'gpu-tensorrt-int8', 'npu-qnn-htp', 'npu-ethos-u', 'edge-npu', 'gpu-float16']) {
      test(`${name}, ${target}`, async () => {
        const method = { type: target === 'gpu-float16' ? 'float16' : 'static' }
        const data = randomData(40, SHAPE)
        const { model: artifact, report } = await runEngine(model, data, { target, method })
        await inDirectory(async (directory) => {
          const [float, path, npz] = ['float.onnx', 'artifact.onnx', 'x.npz'].map((file) => join(directory, file))
          writeFileSync(float!, model)
          writeFileSync(path!, encodeModel(artifact))
          writeFileSync(npz!, data)
          const sqnr = await sqnrOf(float!, path!, npz!, true)
          assert.ok(sqnr > 30, `${sqnr} dB`)
        })
        const violations = report.metrics.target_conformance.violations
        assert.deepEqual(violations, [])
      })
    }
  }

  test('sizes that follow the data stay computed, and their nodes say why they are float', async () => {
    const model = between((m, h) => {
      const largest = m.node('ReduceMax', [h], { attributes: { keepdims: int(0) } })
      const many = m.node('Add', [m.node('Floor', [largest]), m.constant('two', scalar(2))], { name: 'many' })
      const end = m.node('Reshape', [cast(m, many, INT64), m.constant('line', int64([1], [1]))])
      const [start, axis] = [m.constant('start', int64([1], [0])), m.constant('axis', int64([1], [2]))]
      return m.node('Slice', [h, start, end, axis])
    })
    const { plan } = await runEngine(model, randomData(40, SHAPE), { target: 'cpu-int8' })
    assert.match(plan.nodes.find(({ node }) => node === 'many')!.reason, /nothing but shapes/)
  })

  test('what compares numbers to pick a place still computes in integers', async () => {
    const model = between((m, h) => {
      const place = m.node('ArgMax', [m.node('Add', [h, h], { name: 'twice' })], {
        attributes: { axis: int(3), keepdims: int(1) },
      })
      return m.node('GatherElements', [h, place], { attributes: { axis: int(3) } })
    })
    const { plan } = await runEngine(model, randomData(40, SHAPE), { target: 'npu-qnn-htp' })
    assert.equal(plan.nodes.find(({ node }) => node === 'twice')!.quantized, true)
  })
})
