/** Models of one operator, made in float64 or float32, whose gradients are measured by finite differences. */

import { float, int, ints, string } from '../../../src/engine/ir/build.ts'
import type { Attribute, Dim, Value } from '../../../src/engine/ir/graph.ts'
import { at } from '../../../src/engine/ir/list.ts'
import { int64, tensorOf } from '../../../src/engine/ir/tensor.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

export type FloatType = 'float32' | 'float64'

/** Names that cases give to their inputs. */
type InputName =
  | 'X'
  | 'A'
  | 'B'
  | 'C'
  | 'E'
  | 'K'
  | 'Q'
  | 'R'
  | 'S'
  | 'U'
  | 'V'
  | 'W'
  | 'c'
  | 'h'
  | 'high'
  | 'low'
  | 'slope'

/** Those of one case; it names no others. */
export type Inputs = Readonly<Record<InputName, Value>>

export interface Case {
  /** shapes of the inputs with gradients; 'N' is a free dimension of size 2 */
  inputs: Readonly<Record<string, readonly Dim[]>>
  build: (k: Kit, inputs: Inputs) => Value | readonly Value[]
  /** keeps inputs above zero, all of them or those that are named */
  positive?: true | readonly string[]
  /** linear in each input: large steps are exact in float32, too */
  linear?: true
  opset?: number
}

export interface Kit extends Builder {
  floats(values: readonly number[], shape?: readonly number[]): Value
  ints(values: readonly number[], shape?: readonly number[]): Value
  bools(values: readonly boolean[], shape: readonly number[]): Value
  op(opType: string, inputs: (Value | null)[], attributes?: Record<string, Attribute>): Value
  /** a node with several outputs */
  ops(opType: string, inputs: (Value | null)[], outputs: number, attributes?: Record<string, Attribute>): Value[]
}

export function kitOf(dtype: FloatType, opset: number): Kit {
  const m = buildModel(opset)
  const array = (values: readonly number[]) =>
    dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)
  return {
    ...m,
    floats: (values, shape = [values.length]) => m.constant('floats', tensorOf(dtype, shape, array(values))),
    ints: (values, shape = [values.length]) => m.constant('ints', int64(shape, values)),
    bools: (values, shape) => m.constant('bools', tensorOf('bool', shape, Uint8Array.from(values, Number))),
    op: (opType, inputs, attributes = {}) => m.node(opType, inputs, { attributes }),
    ops: (opType, inputs, outputs, attributes = {}) => {
      const values = Array.from({ length: outputs }, (_, i) => m.fresh(`${opType}_${i}`))
      m.node(opType, inputs, { attributes, outputs: values })
      return values
    },
  }
}

const ANY = [2, 3, 4]

/** Y = op(X) */
const unary = (opType: string, attributes: Record<string, Attribute> = {}, more: Partial<Case> = {}): Case => ({
  inputs: { X: ANY },
  build: (k, { X }) => k.op(opType, [X], attributes),
  ...more,
})

const binary = (opType: string, a: readonly Dim[], b: readonly Dim[], more: Partial<Case> = {}): Case => ({
  inputs: { A: a, B: b },
  build: (k, { A, B }) => k.op(opType, [A, B]),
  ...more,
})

const conv = (
  x: readonly Dim[],
  w: readonly number[],
  attributes: Record<string, Attribute> = {},
  opType = 'Conv',
): Case => ({
  inputs: {
    X: x,
    W: w,
    B: [opType === 'Conv' ? at(w, 0) : at(w, 1) * ((attributes.group as { value: number })?.value ?? 1)],
  },
  build: (k, { X, W, B }) => k.op(opType, [X, W, B], attributes),
  linear: true,
})

const pool = (opType: string, x: readonly Dim[], attributes: Record<string, Attribute>): Case => ({
  inputs: { X: x },
  build: (k, { X }) => k.op(opType, [X], attributes),
  ...(opType === 'AveragePool' && { linear: true as const }),
})

const same = (mode: string) => ({ auto_pad: string(mode) })
const strided = (...list: number[]) => ({ strides: ints(list) })
const dilated = (...list: number[]) => ({ dilations: ints(list) })
const padded = (...list: number[]) => ({ pads: ints(list) })
const kernel = (...list: number[]) => ({ kernel_shape: ints(list) })
const group = (n: number) => ({ group: int(n) })
const ceil = { ceil_mode: int(1) }

const ELEMENTS: Record<string, Case> = {
  'LeakyRelu, steep': unary('LeakyRelu', { alpha: float(1.5) }),
  'HardSigmoid with a falling slope': unary('HardSigmoid', { alpha: float(-0.37), beta: float(0.29) }),
  'Gelu by tanh': unary('Gelu', { approximate: string('tanh') }, { opset: 20 }),
  'Softmax on an inner axis': unary('Softmax', { axis: int(1) }),
  'Softmax on a negative axis': unary('Softmax', { axis: int(-2) }),
  'LogSoftmax on the first axis': unary('LogSoftmax', { axis: int(0) }),
  'Clip from below': { inputs: { X: ANY }, build: (k, { X }) => k.op('Clip', [X, k.floats([-0.51], [])]) },
  'Clip from above': { inputs: { X: ANY }, build: (k, { X }) => k.op('Clip', [X, null, k.floats([0.77], [])]) },
  'Clip to bounds that are trained': {
    inputs: { X: ANY, low: [], high: [] },
    build: (k, { X, low, high }) => k.op('Clip', [X, k.op('Sub', [low, k.floats([3], [])]), high]),
  },
  'PRelu with one slope': {
    inputs: { X: ['N', 3], slope: [1] },
    build: (k, { X, slope }) => k.op('PRelu', [X, slope]),
  },
}

const ARITHMETIC: Record<string, Case> = {
  ...Object.fromEntries(
    ['Add', 'Sub', 'Mul', 'Max', 'Min'].flatMap((name) => [
      [`${name} of equal shapes`, binary(name, ANY, ANY)],
      [`${name}, broadcast on the left`, binary(name, [4], ANY)],
      [`${name}, broadcast on the right`, binary(name, ANY, [3, 1])],
      [`${name}, broadcast on both sides`, binary(name, [2, 1, 4], [3, 1])],
      [`${name} with a scalar`, binary(name, ANY, [])],
      [`${name} with a free batch`, binary(name, ['N', 4], [4])],
      [`${name} of free dimensions`, binary(name, ['N', 3], ['M', 3])],
    ]),
  ),
  'Div, broadcast on both sides': binary('Div', [2, 1, 4], [3, 1], { positive: true }),
  'Div of free dimensions': binary('Div', ['N', 3], ['M', 3], { positive: true }),
  'Pow, squared': { inputs: { X: ANY }, build: (k, { X }) => k.op('Pow', [X, k.floats([2], [])]) },
  'Pow, cubed by an integer': { inputs: { X: ANY }, build: (k, { X }) => k.op('Pow', [X, k.ints([3], [])]) },
  'Pow, root': { inputs: { X: ANY }, build: (k, { X }) => k.op('Pow', [X, k.floats([0.5], [])]), positive: true },
  'Pow of a scalar base': { inputs: { X: [], E: [3] }, build: (k, { X, E }) => k.op('Pow', [X, E]), positive: true },
  'Max of three': { inputs: { A: ANY, B: [4], C: [3, 1] }, build: (k, { A, B, C }) => k.op('Max', [A, B, C]) },
  'one value as both operands': { inputs: { A: ANY }, build: (k, { A }) => k.op('Mul', [A, A]) },
  'Expand of a free dimension': {
    inputs: { X: ['N', 1] },
    build: (k, { X }) => k.op('Expand', [X, k.ints([3, 1, 4])]),
    linear: true,
  },
}

const PRODUCTS: Record<string, Case> = {
  'MatMul of matrices': binary('MatMul', [2, 3], [3, 4]),
  'MatMul of stacks': binary('MatMul', [2, 2, 3], [2, 3, 4]),
  'MatMul of a matrix and a stack': binary('MatMul', [3, 4], [2, 4, 2]),
  'MatMul of stacks, broadcast': binary('MatMul', [2, 1, 2, 3], [3, 3, 2]),
  'MatMul of a free batch': binary('MatMul', ['N', 3, 4], [4, 2]),
  'MatMul of free batches': binary('MatMul', ['N', 2, 3], ['N', 3, 2]),
  'MatMul with a vector on the left': binary('MatMul', [3], [3, 4]),
  'MatMul with a vector on the right': binary('MatMul', [2, 3], [3]),
  'MatMul of a stack and a vector': binary('MatMul', [2, 3, 4], [4]),
  'MatMul of a vector and a stack': binary('MatMul', [3], [2, 3, 4]),
  'MatMul of vectors': binary('MatMul', [3], [3]),
  ...Object.fromEntries(
    [0, 1].flatMap((transA) =>
      [0, 1].map((transB): [string, Case] => [
        `Gemm, transA ${transA}, transB ${transB}`,
        {
          inputs: { A: transA ? [3, 2] : [2, 3], B: transB ? [4, 3] : [3, 4], C: [4] },
          build: (k, { A, B, C }) =>
            k.op('Gemm', [A, B, C], { transA: int(transA), transB: int(transB), alpha: float(0.5), beta: float(1.5) }),
        },
      ]),
    ),
  ),
  'Gemm with a column': {
    inputs: { A: ['N', 3], B: [3, 4], C: [1, 1] },
    build: (k, { A, B, C }) => k.op('Gemm', [A, B, C]),
  },
  'Einsum, implicit and summed alone': {
    inputs: { A: [2, 3, 2], B: [3, 4] },
    build: (k, { A, B }) => k.op('Einsum', [A, B], { equation: string('bij, ik -> bk') }),
  },
  'Einsum of three': {
    inputs: { A: [2, 3], B: [3, 2], C: [2, 4] },
    build: (k, { A, B, C }) => k.op('Einsum', [A, B, C], { equation: string('ij,jk,kl') }),
  },
}

const CONVOLUTIONS: Record<string, Case> = {
  'Conv 3×3': conv([2, 3, 5, 6], [4, 3, 3, 3]),
  'Conv 3×3, padded unevenly': conv([2, 2, 5, 4], [3, 2, 3, 3], padded(0, 2, 1, 0)),
  'Conv 3×3, padded beyond its reach': conv([1, 2, 4, 4], [2, 2, 2, 2], padded(3, 2, 2, 4)),
  'Conv 3×3, strided': conv([2, 3, 7, 6], [4, 3, 3, 3], { ...strided(2, 2), ...padded(1, 1, 1, 1) }),
  'Conv 3×3, strided, exact': conv([2, 3, 7, 7], [2, 3, 3, 3], strided(2, 2)),
  'Conv 3×3, strided, with rows unseen': conv([1, 2, 8, 8], [2, 2, 3, 3], strided(3, 3)),
  'Conv 5×5, strided by 3': conv([1, 2, 9, 8], [2, 2, 5, 5], { ...strided(3, 3), ...padded(2, 2, 2, 2) }),
  'Conv 3×2, strides 1 and 2': conv([1, 2, 5, 6], [3, 2, 3, 2], { ...strided(1, 2), ...padded(1, 0, 0, 1) }),
  'Conv, dilated': conv([2, 2, 7, 7], [3, 2, 3, 3], { ...dilated(2, 2), ...padded(1, 1, 1, 1) }),
  'Conv, dilated and strided': conv([1, 2, 9, 8], [2, 2, 3, 3], {
    ...dilated(2, 1),
    ...strided(2, 2),
    ...padded(2, 1, 2, 1),
  }),
  'Conv of groups': conv([2, 4, 5, 5], [6, 2, 3, 3], { ...group(2), ...padded(1, 1, 1, 1) }),
  'Conv of groups, strided': conv([2, 4, 6, 5], [6, 2, 3, 3], { ...group(2), ...strided(2, 2), ...padded(1, 1, 1, 1) }),
  'Conv of groups, 1×1': conv([2, 4, 3, 3], [6, 2, 1, 1], group(2)),
  'Conv, depthwise': conv([2, 4, 5, 5], [4, 1, 3, 3], { ...group(4), ...padded(1, 1, 1, 1) }),
  'Conv, depthwise, 3×3 image': conv([2, 4, 3, 3], [4, 1, 3, 3], { ...group(4), ...padded(1, 1, 1, 1) }),
  'Conv, depthwise, strided': conv([2, 4, 7, 6], [4, 1, 3, 3], {
    ...group(4),
    ...strided(2, 2),
    ...padded(1, 1, 1, 1),
  }),
  'Conv, depthwise, dilated': conv([1, 3, 7, 8], [3, 1, 3, 3], {
    ...group(3),
    ...dilated(2, 1),
    ...padded(2, 1, 2, 1),
  }),
  'Conv, depthwise, large image': conv([1, 2, 14, 13], [2, 1, 3, 3], { ...group(2), ...padded(1, 1, 1, 1) }),
  'Conv, depthwise with two outputs each': conv([2, 3, 5, 5], [6, 1, 3, 3], { ...group(3), ...padded(1, 1, 1, 1) }),
  'Conv 1×1': conv([2, 3, 4, 4], [5, 3, 1, 1]),
  'Conv 1×1, strided': conv([2, 3, 5, 4], [5, 3, 1, 1], strided(2, 2)),
  'Conv 1×1, strided, exact': conv([2, 3, 5, 5], [2, 3, 1, 1], strided(2, 2)),
  'Conv 1×1, padded': conv([2, 3, 3, 3], [2, 3, 1, 1], padded(1, 0, 1, 0)),
  'Conv 1×1 image': conv([2, 6, 1, 1], [4, 6, 1, 1]),
  'Conv, SAME_UPPER': conv([1, 2, 6, 5], [2, 2, 3, 4], same('SAME_UPPER')),
  'Conv, SAME_LOWER': conv([1, 2, 6, 5], [2, 2, 2, 4], same('SAME_LOWER')),
  'Conv, SAME_UPPER, strided': conv([1, 2, 6, 7], [2, 2, 3, 3], { ...same('SAME_UPPER'), ...strided(2, 2) }),
  'Conv, SAME_LOWER, strided': conv([1, 2, 6, 7], [2, 2, 3, 3], { ...same('SAME_LOWER'), ...strided(2, 2) }),
  'Conv, VALID': conv([1, 2, 6, 7], [2, 2, 3, 3], { ...same('VALID'), ...strided(2, 2) }),
  'Conv of one dimension': conv([2, 3, 8], [4, 3, 3], { ...padded(1, 1), ...strided(2) }),
  'Conv of one dimension, depthwise': conv([2, 3, 8], [3, 1, 3], { ...padded(2, 0), ...group(3) }),
  'Conv of three dimensions': conv([1, 2, 4, 4, 3], [2, 2, 2, 3, 2], {
    ...padded(0, 1, 0, 1, 1, 0),
    ...strided(1, 2, 1),
  }),
  'Conv with a free batch': conv(['N', 3, 5, 6], [4, 3, 3, 3], { ...strided(2, 2), ...padded(1, 1, 1, 1) }),
  'Conv 1×1 with a free batch': conv(['N', 3, 4, 4], [5, 3, 1, 1]),
  'Conv, depthwise, with a free batch': conv(['N', 4, 5, 5], [4, 1, 3, 3], { ...group(4), ...padded(1, 1, 1, 1) }),
  'Conv of groups with a free batch': conv(['N', 4, 5, 5], [6, 2, 3, 3], { ...group(2), ...strided(2, 2) }),
  'Conv of a free image': conv([1, 2, 'N', 'N'], [3, 2, 3, 3], padded(1, 1, 1, 1)),
  'Conv of a free image, strided': conv([1, 2, 'N', 'N'], [3, 2, 3, 3], { ...padded(1, 1, 1, 1), ...strided(2, 2) }),
  ConvTranspose: conv([2, 3, 3, 4], [3, 2, 3, 3], {}, 'ConvTranspose'),
  'ConvTranspose, strided': conv(
    [2, 3, 3, 4],
    [3, 2, 3, 3],
    { ...strided(2, 2), ...padded(1, 1, 1, 1) },
    'ConvTranspose',
  ),
  'ConvTranspose, strided, with output padding': conv(
    [1, 3, 3, 4],
    [3, 2, 3, 3],
    { ...strided(2, 2), ...padded(1, 1, 1, 1), output_padding: ints([1, 1]) },
    'ConvTranspose',
  ),
  'ConvTranspose of groups': conv([1, 4, 3, 4], [4, 3, 2, 2], { ...strided(2, 2), ...group(2) }, 'ConvTranspose'),
  'ConvTranspose, dilated': conv([1, 2, 3, 4], [2, 2, 2, 2], { ...dilated(2, 2) }, 'ConvTranspose'),
  'ConvTranspose, SAME_UPPER': conv(
    [1, 2, 3, 4],
    [2, 2, 3, 3],
    { ...strided(2, 2), ...same('SAME_UPPER') },
    'ConvTranspose',
  ),
  'ConvTranspose, SAME_LOWER': conv(
    [1, 2, 3, 4],
    [2, 2, 3, 3],
    { ...strided(2, 2), ...same('SAME_LOWER') },
    'ConvTranspose',
  ),
  'ConvTranspose to a given shape': conv(
    [1, 2, 3, 4],
    [2, 2, 3, 3],
    { ...strided(2, 2), output_shape: ints([6, 8]) },
    'ConvTranspose',
  ),
  'ConvTranspose with a free batch': conv(['N', 3, 3, 4], [3, 2, 3, 3], { ...strided(2, 2) }, 'ConvTranspose'),
}

const POOLS: Record<string, Case> = {
  ...Object.fromEntries(
    ['MaxPool', 'AveragePool'].flatMap((name) =>
      Object.entries({
        'side by side': pool(name, [2, 2, 4, 6], { ...kernel(2, 2), ...strided(2, 2) }),
        'with a rest': pool(name, [2, 2, 5, 7], { ...kernel(2, 2), ...strided(2, 2) }),
        overlapping: pool(name, [2, 2, 7, 6], { ...kernel(3, 3), ...strided(2, 2), ...padded(1, 1, 1, 1) }),
        'with stride 1': pool(name, [1, 2, 5, 5], { ...kernel(3, 2), ...padded(1, 0, 1, 1) }),
        'with gaps': pool(name, [1, 2, 7, 7], { ...kernel(2, 2), ...strided(3, 3) }),
        'rounded up': pool(name, [1, 2, 6, 7], { ...kernel(3, 3), ...strided(2, 2), ...ceil }),
        'rounded up, padded': pool(name, [1, 2, 6, 7], {
          ...kernel(3, 3),
          ...strided(2, 2),
          ...padded(1, 1, 1, 1),
          ...ceil,
        }),
        SAME_UPPER: pool(name, [1, 2, 6, 7], { ...kernel(3, 3), ...strided(2, 2), ...same('SAME_UPPER') }),
        SAME_LOWER: pool(name, [1, 2, 6, 7], { ...kernel(2, 3), ...strided(1, 2), ...same('SAME_LOWER') }),
        'of one dimension': pool(name, [2, 2, 7], { ...kernel(3), ...strided(2) }),
        'with a free batch': pool(name, ['N', 2, 5, 6], { ...kernel(3, 3), ...strided(2, 2), ...padded(1, 1, 1, 1) }),
      }).map(([what, of]) => [`${name} ${what}`, of]),
    ),
  ),
  'MaxPool, dilated': pool('MaxPool', [1, 2, 7, 7], { ...kernel(2, 2), ...dilated(2, 3) }),
  'MaxPool of a free image': pool('MaxPool', [1, 2, 'N', 'N'], { ...kernel(2, 2) }),
  'AveragePool, dilated': { ...pool('AveragePool', [1, 2, 7, 7], { ...kernel(2, 2), ...dilated(2, 3) }), opset: 19 },
  'AveragePool with its padding counted': pool('AveragePool', [2, 2, 7, 6], {
    ...kernel(3, 3),
    ...strided(2, 2),
    ...padded(1, 1, 1, 1),
    count_include_pad: int(1),
  }),
  'AveragePool rounded up with its padding counted': pool('AveragePool', [1, 2, 6, 7], {
    ...kernel(3, 3),
    ...strided(2, 2),
    ...padded(1, 1, 1, 1),
    ...ceil,
    count_include_pad: int(1),
  }),
}

const reduce = (opType: string, axes: readonly number[] | null, keepdims: number, opset = 18): Case => ({
  inputs: { X: ANY },
  build: (k, { X }) =>
    opset < 18 && opType !== 'ReduceSum'
      ? k.op(opType, [X], { ...(axes && { axes: ints(axes) }), keepdims: int(keepdims) })
      : k.op(opType, axes ? [X, k.ints(axes)] : [X], { keepdims: int(keepdims) }),
  opset,
  ...(['ReduceLogSum', 'ReduceProd'].includes(opType) && { positive: true as const }),
})

const REDUCTIONS: Record<string, Case> = {
  ...Object.fromEntries(
    [
      'ReduceSum',
      'ReduceMean',
      'ReduceMax',
      'ReduceMin',
      'ReduceProd',
      'ReduceL1',
      'ReduceL2',
      'ReduceSumSquare',
      'ReduceLogSum',
      'ReduceLogSumExp',
    ].flatMap((name) => [
      [`${name} over a negative axis`, reduce(name, [-2], 1)],
      [`${name} over axes that are dropped`, reduce(name, [0, 2], 0)],
      [`${name} over everything`, reduce(name, null, 0)],
      [`${name} by attribute`, reduce(name, [1], 0, 17)],
    ]),
  ),
  'ReduceMean over a free axis': {
    inputs: { X: ['N', 3] },
    build: (k, { X }) => k.op('ReduceMean', [X, k.ints([0])]),
    opset: 18,
  },
  'ReduceSum without axes as identity': {
    inputs: { X: ANY },
    build: (k, { X }) => k.op('ReduceSum', [X], { noop_with_empty_axes: int(1) }),
  },
  'CumSum, reversed and exclusive': {
    inputs: { X: ANY },
    build: (k, { X }) => k.op('CumSum', [X, k.ints([-1], [])], { reverse: int(1), exclusive: int(1) }),
    linear: true,
  },
}

const moved = (build: Case['build'], shape: readonly Dim[] = ANY, opset = 18): Case => ({
  inputs: { X: shape },
  build,
  linear: true,
  opset,
})

const pad = (mode: string, pads: readonly number[], shape: readonly Dim[] = [2, 4, 5]): Case =>
  moved((k, { X }) => k.op('Pad', [X, k.ints(pads)], { mode: string(mode) }), shape, 19)

const resize = (
  shape: readonly Dim[],
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  attributes: Record<string, Attribute>,
): Case =>
  moved(
    (k, { X }) =>
      k.op(
        'Resize',
        [
          X,
          null,
          scales && k.constant('scales', tensorOf('float32', [scales.length], Float32Array.from(scales))),
          sizes && k.ints(sizes),
        ],
        attributes,
      ),
    shape,
  )

const MOVES: Record<string, Case> = {
  'Reshape with a free batch': moved((k, { X }) => k.op('Reshape', [X, k.ints([0, 6, -1])]), ['N', 3, 4]),
  'Flatten with a free batch': moved((k, { X }) => k.op('Flatten', [X]), ['N', 3, 4]),
  'Squeeze of all': moved((k, { X }) => k.op('Squeeze', [X]), [1, 3, 1]),
  'Transpose by default': moved((k, { X }) => k.op('Transpose', [X])),
  Concat: {
    inputs: { A: [2, 1, 3], B: [2, 2, 3] },
    build: (k, { A, B }) => k.op('Concat', [A, B, A], { axis: int(-2) }),
    linear: true,
  },
  'Concat of free batches': {
    inputs: { A: ['N', 3], B: ['N', 3] },
    build: (k, { A, B }) => k.op('Concat', [A, B], { axis: int(0) }),
    linear: true,
  },
  Split: moved((k, { X }) => k.ops('Split', [X, k.ints([1, 3])], 2, { axis: int(-1) }), ANY, 17),
  'Split, one part unused': moved((k, { X }) => at(k.ops('Split', [X], 2, { axis: int(2) }), 1), ANY, 17),
  'Split with a free batch': moved(
    (k, { X }) => at(k.ops('Split', [X, k.ints([1, 2])], 2, { axis: int(1) }), 0),
    ['N', 3],
    17,
  ),
  'Slice in steps': moved((k, { X }) =>
    k.op('Slice', [X, k.ints([0, 0]), k.ints([9, 9]), k.ints([1, 2]), k.ints([2, 3])]),
  ),
  'Slice backwards': moved((k, { X }) => k.op('Slice', [X, k.ints([-1]), k.ints([-9]), k.ints([-1]), k.ints([-2])])),
  'Slice with a free batch': moved((k, { X }) => k.op('Slice', [X, k.ints([1]), k.ints([3]), k.ints([1])]), ['N', 4]),
  'Slice of a free axis': moved((k, { X }) => k.op('Slice', [X, k.ints([1]), k.ints([9]), k.ints([0])]), ['N', 4]),
  'Slice at computed places': moved((k, { X }) =>
    k.op('Slice', [X, k.ints([1]), k.op('Slice', [k.op('Shape', [X]), k.ints([1]), k.ints([2])]), k.ints([1])]),
  ),
  'Gather along an inner axis': moved((k, { X }) => k.op('Gather', [X, k.ints([2, 0, 2])], { axis: int(1) })),
  'Gather of one element': moved((k, { X }) => k.op('Gather', [X, k.ints([-1], [])], { axis: int(1) })),
  'Gather of a list of one': moved((k, { X }) => k.op('Gather', [X, k.ints([1])], { axis: int(2) })),
  'Gather of a table of one': moved((k, { X }) => k.op('Gather', [X, k.ints([1], [1, 1])], { axis: int(1) })),
  'Gather with a free batch': moved((k, { X }) => k.op('Gather', [X, k.ints([1, 1])], { axis: int(1) }), ['N', 4]),
  'ScatterElements that adds': {
    inputs: { X: [3, 3], U: [2, 3] },
    build: (k, { X, U }) =>
      k.op('ScatterElements', [X, k.ints([0, 1, 2, 0, 0, 1], [2, 3]), U], { axis: int(0), reduction: string('add') }),
    linear: true,
  },
  'Tile with a free batch': moved((k, { X }) => k.op('Tile', [X, k.ints([2, 3])]), ['N', 3]),
  'DepthToSpace, CRD': moved(
    (k, { X }) => k.op('DepthToSpace', [X], { blocksize: int(2), mode: string('CRD') }),
    ['N', 8, 2, 3],
  ),
  'Pad that crops': pad('constant', [0, -1, 2, 0, 0, -2]),
  'Pad by reflection': pad('reflect', [0, 2, 0, 0, 1, 3]),
  'Pad by repeating the edge': pad('edge', [1, 0, 2, 0, 1, 1]),
  'Pad by wrapping around': pad('wrap', [0, 1, 2, 0, 0, 1]),
  'Pad with a free batch': pad('constant', [0, 1, 0, 1], ['N', 3]),
  'Pad by reflection with a free batch': pad('reflect', [0, 1, 0, 2], ['N', 4]),
  'Pad of named axes': moved((k, { X }) => k.op('Pad', [X, k.ints([1, 2]), null, k.ints([-1])])),
  'Resize to the nearest': resize([1, 2, 3, 4], [1, 1, 2, 2], null, {
    mode: string('nearest'),
    coordinate_transformation_mode: string('asymmetric'),
    nearest_mode: string('floor'),
  }),
  'Resize to the nearest, smaller': resize([1, 2, 6, 5], [1, 1, 0.5, 0.6], null, { mode: string('nearest') }),
  'Resize linearly': resize([1, 2, 3, 4], null, [1, 2, 5, 6], { mode: string('linear') }),
  'Resize linearly with a free batch': resize(['N', 2, 3, 4], [1, 1, 1.7, 2], null, {
    mode: string('linear'),
    coordinate_transformation_mode: string('pytorch_half_pixel'),
  }),
  'Resize with aligned corners': resize([1, 1, 3, 4], null, [1, 1, 5, 7], {
    mode: string('linear'),
    coordinate_transformation_mode: string('align_corners'),
  }),
  'Resize cubically': resize([1, 1, 4, 4], [1, 1, 2, 1.5], null, { mode: string('cubic') }),
}

const PER_CHANNEL = { S: [3], B: [3] }

const NORMALIZATIONS: Record<string, Case> = {
  'LayerNormalization without a shift': {
    inputs: { X: ANY, S: [4] },
    build: (k, { X, S }) => k.op('LayerNormalization', [X, S], { epsilon: float(0.01) }),
  },
  'LayerNormalization over two axes': {
    inputs: { X: ['N', 3, 4], S: [3, 4], B: [3, 4] },
    build: (k, { X, S, B }) => k.op('LayerNormalization', [X, S, B], { axis: int(1) }),
  },
  'BatchNormalization of vectors': {
    inputs: { X: ['N', 3], ...PER_CHANNEL },
    build: (k, { X, S, B }) => k.op('BatchNormalization', [X, S, B, k.floats([0.1, 0.2, 0.3]), k.floats([1, 2, 3])]),
  },
  'LpNormalization, another axis': {
    inputs: { X: ANY },
    build: (k, { X }) => k.op('LpNormalization', [X], { axis: int(1) }),
  },
  'Elu, alpha': { inputs: { X: ANY }, build: (k, { X }) => k.op('Elu', [X], { alpha: float(0.7) }) },
  'LpNormalization, p 1': { inputs: { X: ANY }, build: (k, { X }) => k.op('LpNormalization', [X], { p: int(1) }) },
}

function recurrent(opType: string, gates: number, direction: string, more: Record<string, Attribute> = {}): Case {
  const D = direction === 'bidirectional' ? 2 : 1
  const [T, N, I, H] = [3, 2, 2, 3]
  const states: Record<string, number[]> = { h: [D, N, H], ...(opType === 'LSTM' && { c: [D, N, H] }) }
  return {
    inputs: { X: [T, N, I], W: [D, gates * H, I], R: [D, gates * H, H], B: [D, 2 * gates * H], ...states },
    build: (k, { X, W, R, B, h, c }) =>
      k.ops(opType, [X, W, R, B, null, h, ...(c ? [c] : [])], opType === 'LSTM' ? 3 : 2, {
        hidden_size: int(H),
        direction: string(direction),
        ...more,
      }),
  }
}

/** one output of a layer alone, without states or a bias */
const lastState = (opType: string, gates: number, output: number): Case => ({
  inputs: { X: [3, 'N', 2], W: [1, gates * 2, 2], R: [1, gates * 2, 2] },
  build: (k, { X, W, R }) => at(k.ops(opType, [X, W, R], output + 1, { hidden_size: int(2) }), output),
})

const RECURRENT: Record<string, Case> = {
  ...Object.fromEntries(
    ['forward', 'reverse', 'bidirectional'].flatMap((direction) => [
      [`LSTM, ${direction}`, recurrent('LSTM', 4, direction)],
      [`GRU, ${direction}`, recurrent('GRU', 3, direction)],
      [`GRU, ${direction}, linear before the reset`, recurrent('GRU', 3, direction, { linear_before_reset: int(1) })],
      [`RNN, ${direction}`, recurrent('RNN', 1, direction)],
    ]),
  ),
  'LSTM, only its states': lastState('LSTM', 4, 0),
  'LSTM, only its last state': lastState('LSTM', 4, 1),
  'LSTM, only its last cell': lastState('LSTM', 4, 2),
  'GRU, only its last state': lastState('GRU', 3, 1),
}

const NETWORKS: Record<string, Case> = {
  'a residual network': {
    inputs: { X: ['N', 2, 5, 5], W: [4, 2, 3, 3], V: [4, 1, 3, 3], U: [3, 4] },
    build: (k, { X, W, V, U }) => {
      const stem = k.op('Sigmoid', [k.op('Conv', [X, W], padded(1, 1, 1, 1))])
      const block = k.op('Add', [k.op('Conv', [stem, V], { ...padded(1, 1, 1, 1), ...group(4) }), stem])
      const pooled = k.op('Flatten', [k.op('GlobalAveragePool', [k.op('Tanh', [block])])])
      return k.op('LogSoftmax', [k.op('Gemm', [pooled, U], { transB: int(1) })])
    },
  },
  attention: {
    inputs: { X: ['N', 3, 4], Q: [4, 4], K: [4, 4] },
    build: (k, { X, Q, K }) => {
      const heads = (value: Value) =>
        k.op('Transpose', [k.op('Reshape', [value, k.ints([0, 0, 2, 2])])], { perm: ints([0, 2, 1, 3]) })
      const [q, keys] = [heads(k.op('MatMul', [X, Q])), heads(k.op('MatMul', [X, K]))]
      const scores = k.op('Softmax', [k.op('MatMul', [q, k.op('Transpose', [keys], { perm: ints([0, 1, 3, 2]) })])])
      const mixed = k.op('Transpose', [k.op('MatMul', [scores, heads(X)])], { perm: ints([0, 2, 1, 3]) })
      return k.op('Add', [X, k.op('Reshape', [mixed, k.ints([0, 0, 4])])])
    },
  },
  'a value with four readers': {
    inputs: { X: ANY },
    build: (k, { X }) => {
      const y = k.op('Tanh', [X])
      return [k.op('Mul', [y, y]), k.op('ReduceSum', [y]), k.op('Exp', [y]), y]
    },
  },
}

export const CASES: Readonly<Record<string, Case>> = {
  ...ELEMENTS,
  ...ARITHMETIC,
  ...PRODUCTS,
  ...CONVOLUTIONS,
  ...POOLS,
  ...REDUCTIONS,
  ...MOVES,
  ...NORMALIZATIONS,
  ...RECURRENT,
  ...NETWORKS,
}
