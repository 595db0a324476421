/** Arithmetic on elements. */
import type { Value } from '../ir/graph.ts'
import { activation, floatOp, integerOp, type Monotone, type OpTable } from './define.ts'
import { elementwise, flat, floatElementwise, INPUT_OUTPUT } from './elementwise.ts'
import type { Emitter } from './gradients/emitter.ts'
import { baseGradient, exponentGradient } from './gradients/power.ts'

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)

const shifted = (become: (x: number) => number, rises = true): Monotone => ({
  become: (x) => Math.fround(become(x)),
  rises,
  keepsZero: false,
})

const stretched = (become: (x: number) => number, by: number): Monotone => ({
  become: (x) => Math.fround(become(x)),
  rises: by > 0,
  keepsZero: true,
})

const plus = (c: number) => shifted((x) => x + c)
const times = (c: number) => stretched((x) => x * c, c)

const binary = {
  class: 'pointwise',
  inputs: ['A', 'B'],
  outputs: ['C'],
  quant: { A: activation, B: activation, C: activation },
  broadcasts: true,
} as const

const comparison = {
  class: 'pointwise',
  inputs: ['A', 'B'],
  outputs: ['C'],
  quant: { A: activation, B: activation },
} as const

const BINARY = {
  Add: integerOp({
    ...binary,
    sums: true,
    withNumber: { behind: plus, front: plus },
    gradient: (_g, _inputs, { C: dC }) => ({ A: () => dC, B: () => dC }),
    example: 'C = Add(A[2,3,4], B[3,1])',
  }),
  Sub: integerOp({
    ...binary,
    sums: true,
    withNumber: { behind: (c) => shifted((x) => x - c), front: (c) => shifted((x) => c - x, false) },
    gradient: (g, _inputs, { C: dC }) => ({ A: () => dC, B: () => g.unary('Neg', dC) }),
    example: 'C = Sub(A[2,3,4], B[3,1])',
  }),
  Mul: integerOp({
    ...binary,
    withNumber: { behind: times, front: times },
    gradient: (g, { A, B }, { C: dC }) => ({ A: () => g.mul(dC, B), B: () => g.mul(dC, A) }),
    example: 'C = Mul(A[2,3,4], B[3,1])',
  }),
  Div: integerOp({
    ...binary,
    withNumber: { behind: (c) => stretched((x) => x / c, c) },
    gradient: (g, { B }, { C: dC }, { C }) => ({
      A: () => g.div(dC, B),
      B: () => g.unary('Neg', g.div(g.mul(dC, C), B)),
    }),
    example: 'C = Div(A[2,3,4], B[3,1]>0)',
  }),
  Pow: integerOp({
    ...binary,
    inputs: ['X', 'Y'],
    outputs: ['Z'],
    quant: { X: activation, Y: activation, Z: activation },
    gradient: (g, { X, Y }, { Z: dZ }, { Z }) => ({
      X: () => baseGradient(g, X, Y, dZ),
      Y: () => exponentGradient(g, X, Y, dZ, Z),
    }),
    example: 'Z = Pow(X[2,3]>0, Y[3])',
  }),
  Where: integerOp({
    class: 'pointwise',
    inputs: ['condition', 'X', 'Y'],
    outputs: ['output'],
    quant: { X: activation, Y: activation, output: activation },
    broadcasts: true,
    gradient: (g, { condition }, { output: dY }) => ({
      X: () => g.keep(condition, dY),
      Y: () => g.where(condition, g.scalar(0, dY), dY),
    }),
    example: 'output = Where({true,false,true}[3,1], X[2,3,4], Y[4])',
  }),
} as const satisfies OpTable

const COMPARISON = {
  Equal: integerOp({ ...comparison, example: 'C = Equal(A[2,3], B[3])' }),
  Greater: integerOp({ ...comparison, example: 'C = Greater(A[2,3], B[3])' }),
  GreaterOrEqual: integerOp({ ...comparison, example: 'C = GreaterOrEqual(A[2,3], B[3])' }),
  Less: integerOp({ ...comparison, example: 'C = Less(A[2,3], B[3])' }),
  LessOrEqual: integerOp({ ...comparison, example: 'C = LessOrEqual(A[2,3], B[3])' }),
} as const satisfies OpTable

const extreme = { class: 'pointwise', inputs: ['data_*'], broadcasts: true } as const

/** The inputs that equal the result share its gradient. */
function extremeGradients(g: Emitter, inputs: Readonly<Record<string, Value>>, dY: Value, Y: Value) {
  const list = Object.entries(inputs)
  if (list.length === 1) return { data_0: () => dY }
  const masks = new Map(list.map(([name, X]) => [name, g.castLike(g.compare('Equal', X, Y), dY)]))
  const share = g.div(dY, g.sum([...masks.values()].map((mask) => g.expandLike(mask, Y))))
  return Object.fromEntries([...masks].map(([name, mask]) => [name, () => g.mul(share, mask)]))
}

const VARIADIC = {
  Max: integerOp({
    ...extreme,
    outputs: ['max'],
    quant: { data_: activation, max: activation },
    gradient: (g, inputs, { max: dY }, { max: Y }) => extremeGradients(g, inputs, dY, Y),
    example: 'max = Max(data_0[2,3,4], data_1[4], data_2[3,1])',
  }),
  Min: integerOp({
    ...extreme,
    outputs: ['min'],
    quant: { data_: activation, min: activation },
    gradient: (g, inputs, { min: dY }, { min: Y }) => extremeGradients(g, inputs, dY, Y),
    example: 'min = Min(data_0[2,3,4], data_1[4], data_2[3,1])',
  }),
  Sum: floatOp({
    inputs: ['data_*'],
    outputs: ['sum'],
    broadcasts: true,
    gradient: (_g, inputs, { sum: dY }) => Object.fromEntries(Object.keys(inputs).map((name) => [name, () => dY])),
    example: 'sum = Sum(data_0[2,3,4], data_1[4], data_2[3,1])',
  }),
  Mean: floatOp({
    inputs: ['data_*'],
    outputs: ['mean'],
    broadcasts: true,
    gradient: (g, inputs, { mean: dY }) => {
      const names = Object.keys(inputs)
      return Object.fromEntries(names.map((name) => [name, () => g.scale(dY, 1 / names.length)]))
    },
    example: 'mean = Mean(data_0[2,3,4], data_1[4], data_2[3,1])',
  }),
} as const satisfies OpTable

const UNARY = {
  Neg: elementwise((g, _, dY) => g.unary('Neg', dY), { example: 'Y = Neg(X[2,3,4])' }),
  Abs: elementwise((g, X, dY) => g.mul(dY, g.unary('Sign', X)), { example: 'Y = Abs(X[2,3,4])' }),
  Sqrt: elementwise((g, _, dY, Y) => g.div(dY, g.scale(Y, 2)), { example: 'Y = Sqrt(X[2,3,4]>0)' }),
  Exp: elementwise((g, _, dY, Y) => g.mul(dY, Y), { example: 'output = Exp(input[2,3,4])' }, INPUT_OUTPUT),
  Log: elementwise((g, X, dY) => g.div(dY, X), { example: 'output = Log(input[2,3,4]>0)' }, INPUT_OUTPUT),
  Reciprocal: elementwise((g, _, dY, Y) => g.unary('Neg', g.mul(dY, g.square(Y))), {
    example: 'Y = Reciprocal(X[2,3,4]>0)',
  }),
  Erf: elementwise(
    (g, X, dY) => g.mul(dY, g.scale(g.unary('Exp', g.unary('Neg', g.square(X))), TWO_OVER_ROOT_PI)),
    { example: 'output = Erf(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Floor: elementwise(flat, { example: 'Y = Floor(X[2,3,4])' }),
  Ceil: elementwise(flat, { example: 'Y = Ceil(X[2,3,4])' }),
  Round: elementwise(flat, { example: 'Y = Round(X[2,3,4])' }),
  Sign: elementwise(flat, { example: 'output = Sign(input[2,3,4])' }, INPUT_OUTPUT),
} as const satisfies OpTable

const TRIGONOMETRY = {
  Sin: elementwise((g, X, dY) => g.mul(dY, g.unary('Cos', X)), { example: 'output = Sin(input[2,3,4])' }, INPUT_OUTPUT),
  Cos: elementwise(
    (g, X, dY) => g.unary('Neg', g.mul(dY, g.unary('Sin', X))),
    { example: 'output = Cos(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Tan: floatElementwise(
    (g, _, dY, Y) => g.mul(dY, g.shift(g.square(Y), 1)),
    { example: 'output = Tan(input[2,3,4]>0)' },
    INPUT_OUTPUT,
  ),
  Atan: floatElementwise(
    (g, X, dY) => g.div(dY, g.shift(g.square(X), 1)),
    { example: 'output = Atan(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Sinh: floatElementwise(
    (g, X, dY) => g.mul(dY, g.unary('Cosh', X)),
    { example: 'output = Sinh(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Cosh: floatElementwise(
    (g, X, dY) => g.mul(dY, g.unary('Sinh', X)),
    { example: 'output = Cosh(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
} as const satisfies OpTable

export const ARITHMETIC = { ...BINARY, ...COMPARISON, ...VARIADIC, ...UNARY, ...TRIGONOMETRY } as const
