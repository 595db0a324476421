/** Fake quantization against PyTorch's: results, and gradients of what is rounded, of scales and of zero points. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { differentiate } from '../../../../src/engine/autodiff/differentiate.ts'
import { openNpz, readElements } from '../../../../src/engine/data/npz.ts'
import { addNode } from '../../../../src/engine/ir/build.ts'
import type { Model, Value } from '../../../../src/engine/ir/graph.ts'
import { float32, tensorOf, view } from '../../../../src/engine/ir/tensor.ts'
import { addFakeQuantize, lowerPseudoOperators, PSEUDO_GRADIENTS } from '../../../../src/engine/methods/qat/pseudo.ts'
import { readGolden, sharedFile } from '../../../kit/goldens.ts'
import { type Builder, buildModel } from '../../../kit/model.ts'
import { runOnce } from '../../autodiff/run-gradients.ts'

interface Case {
  name: string
  kind: 'straightThrough' | 'straightThroughPerChannel' | 'learnedStepSize' | 'learnedStepSizePerChannel'
  scale?: number
  zeroPoint?: number
  qmin: number
  qmax: number
  axis?: number
  gradFactor?: number
}

const root = sharedFile('goldens', 'ort-1.30', 'gradients')
const cases = root ? readGolden<{ fakeQuantize: Case[] }>(join(root, 'index.json')).fakeQuantize : []

type Arrays = Map<string, { shape: readonly number[]; data: Float32Array }>

async function arraysOf(path: string): Promise<Arrays> {
  const archive = await openNpz(path)
  try {
    const arrays: Arrays = new Map()
    for (const member of archive.members) {
      const { dtype, shape } = member.header
      const bytes = (await readElements(member)).slice()
      const integers = dtype === 'int32' || dtype === 'int64'
      const data = integers
        ? Float32Array.from(view(tensorOf(dtype, shape, bytes), dtype) as ArrayLike<number>, Number)
        : view(tensorOf('float32', shape, bytes), 'float32')
      arrays.set(member.name, { shape, data })
    }
    return arrays
  } finally {
    archive.close()
  }
}

/** Scales and zero points that are trained are inputs; the others are constants. */
function parameterOf(m: Builder, name: string, arrays: Arrays, fixed: number | undefined, axis: number): Value {
  const found = arrays.get(`in.${name}`)
  const shape = axis < 0 ? [] : [found!.shape[0]!]
  return fixed === undefined ? m.input(name, shape) : m.constant(name, float32(shape, [fixed]))
}

function graphOf({ qmin, qmax, axis = -1, gradFactor = 0, scale, zeroPoint }: Case, arrays: Arrays) {
  const m = buildModel()
  const x = m.input('X', arrays.get('in.X')!.shape)
  const [s, z] = [parameterOf(m, 'scale', arrays, scale, axis), parameterOf(m, 'zeroPoint', arrays, zeroPoint, axis)]
  const y = addFakeQuantize({ model: m.model, graph: m.model.graph }, x, {
    scale: s,
    zeroPoint: z,
    qtype: qmin < 0 ? 'int8' : 'uint8',
    range: [qmin, qmax],
    axis: axis < 0 ? null : axis,
    gradientFactor: gradFactor,
  })
  const dy = m.input('dY', x.shape!)
  const wrt = gradFactor > 0 ? [x, s, z] : [x]
  const gradients = differentiate(m.model.graph, new Map([[y, dy]]), wrt, PSEUDO_GRADIENTS)
  for (const value of [y, ...wrt.map((value) => gradients.get(value)!)])
    m.model.graph.outputs.push(addNode(m.model, m.model.graph, 'Identity', [value], { output: 'out' }))
  for (const output of m.model.graph.outputs) output.dtype = 'float32'
  lowerPseudoOperators(m.model)
  return m.model
}

/**
 * PyTorch's learnable backward pass (not its forward pass) rounds a zero point z to trunc(z + ½), so that −8 becomes −7:
 * its gradients are those of the next zero point.
 */
function roundingOfZeroPoint(arrays: Arrays): number {
  const zeroPoint = arrays.get('in.zeroPoint')?.data ?? [0]
  return zeroPoint.some((zero) => zero < 0) ? 1 : 0
}

async function resultsOf(model: Model, arrays: Arrays, shift: number): Promise<Float32Array[]> {
  const feeds = Object.fromEntries(
    model.graph.inputs.map(({ name, shape }) => {
      const { data } = arrays.get(name === 'dY' ? 'dY.Y' : `in.${name}`)!
      const shifted = name === 'zeroPoint' ? data.map((zero) => zero + shift) : data
      return [name, { dtype: 'float32' as const, dims: shape as number[], data: shifted }]
    }),
  )
  const results = await runOnce(model, feeds)
  return model.graph.outputs.map(({ name }) => results[name]!.data as Float32Array)
}

function assertClose(actual: ArrayLike<number>, expected: Float32Array, what: string): void {
  assert.equal(actual.length, expected.length, what)
  for (const [i, x] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - x) <= 1e-4 * Math.abs(x) + 1e-5, `${what}[${i}]: ${actual[i]} instead of ${x}`)
  }
}

describe('fake quantization', { skip: root ? false : 'golden vectors are not here' }, () => {
  test('36 cases', () => assert.equal(cases.length, 36))
  for (const found of cases) {
    test(found.name, async () => {
      const arrays = await arraysOf(join(root!, `${found.name}.npz`))
      const model = graphOf(found, arrays)
      const results = await resultsOf(model, arrays, 0)
      assertClose(results[0]!, arrays.get('out.Y')!.data, 'out.Y')
      const gradients = (await resultsOf(model, arrays, roundingOfZeroPoint(arrays))).slice(1)
      const names = ['grad.X', 'grad.scale', 'grad.zeroPoint'].slice(0, gradients.length)
      names.forEach((name, i) => {
        assertClose(gradients[i]!, arrays.get(name)!.data, name)
      })
    })
  }
})
