/** Attention masks: huge negative numbers that nobody needs to tell apart must not eat the integers of the rest, in whatever form they come. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { int, ints } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64, scalar, view } from '../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../src/engine/onnx/index.ts'
import { runEngine } from '../kit/engine.ts'
import { sqnrOf } from '../kit/follow.ts'
import { type Builder, buildModel } from '../kit/model.ts'
import { inDirectory } from '../kit/run.ts'

const [TOKENS, WIDTH, HEADS, SAMPLES] = [8, 16, 2, 48]
const SMALLEST = -3.4028235e38

interface Parts {
  m: Builder
  /** [1,2,8,8] */
  scores: Value
  /** [1,1,1,8] */
  mask: Value
  /** [1,2,8,8] */
  bias: Value
}
type Form = (parts: Parts) => Value

/** Attention of two heads, x [1,8,16] → y [1,8,16]; what is masked comes as a constant, or as an input `mask` of the same numbers. */
function attention(form: Form, number: number, as: 'constant' | 'input' | 'computed'): Uint8Array {
  const m = buildModel()
  const x = m.input('x', [1, TOKENS, WIDTH])
  const split = m.constant('split', int64([4], [1, TOKENS, HEADS, WIDTH / HEADS]))
  const project = (name: string, perm: readonly number[]) => {
    const product = m.node('MatMul', [x, m.weight(name, [WIDTH, WIDTH])], { name })
    return m.node('Transpose', [m.node('Reshape', [product, split])], { attributes: { perm: ints(perm) } })
  }
  const scores = m.node('MatMul', [project('q', [0, 2, 1, 3]), project('k', [0, 2, 3, 1])], { name: 'scores' })
  const bias = m.weight('bias', [1, HEADS, TOKENS, TOKENS])
  const mask = maskAs(m, as, number)
  const weights = m.node('Softmax', [form({ m, scores, mask, bias })], {
    name: 'softmax',
    attributes: { axis: int(-1) },
  })
  const mixed = m.node('Transpose', [m.node('MatMul', [weights, project('v', [0, 2, 1, 3])])], {
    attributes: { perm: ints([0, 2, 1, 3]) },
  })
  const joined = m.node('Reshape', [mixed, m.constant('join', int64([3], [1, TOKENS, WIDTH]))])
  m.output(m.node('MatMul', [joined, m.weight('o', [WIDTH, WIDTH])], { name: 'o' }), 'y', [1, TOKENS, WIDTH])
  return m.bytes()
}

/** 1 for tokens that count */
const KEPT = Float32Array.from({ length: TOKENS }, (_, i) => Number(i < TOKENS - 3))
const numbersOf = (number: number) => KEPT.map((kept) => (kept ? 0 : number))

function maskAs(m: Builder, as: 'constant' | 'input' | 'computed', number: number): Value {
  const shape = [1, 1, 1, TOKENS]
  if (as === 'constant') return m.constant('mask', float32(shape, numbersOf(number)))
  if (as === 'input') return m.input('mask', shape)
  const masked = m.node('Sub', [m.constant('one', scalar(1)), m.input('mask', shape)])
  return m.node('Mul', [masked, m.constant('number', scalar(number))])
}

function dataFor(model: Uint8Array, as: string, number: number): Buffer {
  const random = randomSource(5)
  const x = Float32Array.from({ length: SAMPLES * TOKENS * WIDTH }, () => 4 * random() - 2)
  const row = as === 'input' ? numbersOf(number) : KEPT
  const mask = Float32Array.from({ length: SAMPLES * TOKENS }, (_, i) => row[i % TOKENS]!)
  assert.ok(model.length > 0)
  return encodeNpz({
    x: { dtype: 'float32', shape: [SAMPLES, TOKENS, WIDTH], data: x },
    ...(as !== 'constant' && { mask: { dtype: 'float32', shape: [SAMPLES, 1, 1, TOKENS], data: mask } }),
  })
}

const add = (m: Builder, a: Value, b: Value) => m.node('Add', [a, b])
const half = (m: Builder) => m.constant('half', scalar(0.5))
const reshaped = (m: Builder, value: Value, dims: readonly number[]) =>
  m.node('Reshape', [value, m.constant('dims', int64([dims.length], dims))])
const FLAT = [HEADS, TOKENS, TOKENS]
const FULL = [1, HEADS, TOKENS, TOKENS]
const turned = (m: Builder, value: Value) => m.node('Transpose', [value], { attributes: { perm: ints([0, 1, 3, 2]) } })

/** Each form, and the one that computes the same with the mask added last. */
const NORMAL: Form = ({ m, scores, mask }) => add(m, scores, mask)
const SCALED: Form = ({ m, scores, mask }) => add(m, m.node('Mul', [scores, half(m)]), mask)
const BIASED: Form = ({ m, scores, mask, bias }) => add(m, add(m, scores, bias), mask)
const NORMALS = [NORMAL, SCALED, BIASED]
const FORMS: Record<string, { form: Form; normal: Form }> = {
  'mask first in the sum': { form: ({ m, scores, mask }) => add(m, mask, scores), normal: NORMAL },
  'mask, then a scalar': {
    form: ({ m, scores, mask }) => m.node('Mul', [add(m, scores, mask), half(m)]),
    normal: SCALED,
  },
  'mask, then a quotient': {
    form: ({ m, scores, mask }) => m.node('Div', [add(m, scores, mask), m.constant('two', scalar(2))]),
    normal: SCALED,
  },
  'mask, then a bias': { form: ({ m, scores, mask, bias }) => add(m, add(m, scores, mask), bias), normal: BIASED },
  'scores + (bias + mask)': { form: ({ m, scores, mask, bias }) => add(m, scores, add(m, bias, mask)), normal: BIASED },
  'Reshape, mask, Reshape': {
    form: ({ m, scores, mask }) =>
      reshaped(m, add(m, reshaped(m, scores, FLAT), reshaped(m, mask, [1, 1, TOKENS])), FULL),
    normal: NORMAL,
  },
  'mask between Transposes': {
    form: ({ m, scores, mask }) => turned(m, add(m, turned(m, scores), turned(m, mask))),
    normal: NORMAL,
  },
  'what is not kept replaced by Where': {
    form: ({ m, scores, mask }) =>
      m.node('Where', [m.node('Less', [mask, m.constant('few', scalar(-5))]), mask, scores]),
    normal: NORMAL,
  },
}

const TARGETS = [
  'cpu-int8',
  'gpu-tensorrt-int8',
  'edge-npu',
  'npu-qnn-htp',
  'npu-vitis-ai',
  'npu-ethos-u',
  'npu-openvino',
]

const known = new Map<string, Promise<number>>()

/** The same of a form that others are held against: it is measured once. */
function usually(form: Form, as: 'constant' | 'input' | 'computed', target: string): Promise<number> {
  const key = [NORMALS.indexOf(form), as, target].join()
  const found = known.get(key) ?? decibels(form, -1e4, as, target)
  known.set(key, found)
  return found
}

async function decibels(form: Form, number: number, as: 'constant' | 'input' | 'computed', target: string) {
  const model = attention(form, number, as)
  const data = dataFor(model, as, number)
  const method = { type: 'static', observer: 'minmax', bias_correction: false, equalize: false, smooth: false }
  const { model: artifact } = await runEngine(model, data, { target, method })
  for (const { opType, inputs } of artifact.graph.nodes)
    if (opType === 'QuantizeLinear') assert.ok(Number.isFinite(view(inputs[1]!.tensor!, 'float32')[0]))
  return inDirectory((directory) => {
    const [float, path, npz] = ['float.onnx', 'artifact.onnx', 'data.npz'].map((file) => join(directory, file))
    writeFileSync(float!, model)
    writeFileSync(path!, encodeModel(artifact))
    writeFileSync(npz!, data)
    return sqnrOf(float!, path!, npz!, true)
  })
}

/** dB that another order of the same additions may cost */
const TOLERANCE = 1

describe('attention masks', () => {
  for (const [name, { form, normal }] of Object.entries(FORMS)) {
    for (const target of TARGETS) {
      test(`${name}, ${target}`, async () => {
        for (const as of ['constant', 'input', 'computed'] as const) {
          const usual = await usually(normal, as, target)
          const found = await decibels(form, -1e4, as, target)
          assert.ok(found > usual - TOLERANCE, `${as}: ${found} dB, ${usual} with the mask added last`)
        }
      })
    }
  }

  for (const number of [SMALLEST, Number.NEGATIVE_INFINITY, -1e9, -100]) {
    for (const target of TARGETS) {
      test(`${number}, ${target}`, async () => {
        for (const as of ['constant', 'input'] as const) {
          const usual = await usually(NORMAL, as, target)
          const found = await decibels(NORMAL, number, as, target)
          assert.ok(found > usual - TOLERANCE, `${as}: ${found} dB, ${usual} with −10,000`)
        }
      })
    }
  }
})
