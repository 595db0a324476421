/** Gradients of arithmetic on elements. */

import type { Value } from '../../ir/graph.ts'
import { view } from '../../ir/tensor.ts'
import { broadcasting, flat, gradient, type Table, unary } from './define.ts'
import { constantOf, type Emitter } from './emitter.ts'

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)

const UNARY: Table = {
  Neg: unary((g, _, dY) => g.unary('Neg', dY)),
  Abs: unary((g, X, dY) => g.mul(dY, g.unary('Sign', X))),
  Sqrt: unary((g, _, dY, Y) => g.div(dY, g.scale(Y, 2))),
  Exp: unary((g, _, dY, Y) => g.mul(dY, Y)),
  Log: unary((g, X, dY) => g.div(dY, X)),
  Reciprocal: unary((g, _, dY, Y) => g.unary('Neg', g.mul(dY, g.square(Y)))),
  Sin: unary((g, X, dY) => g.mul(dY, g.unary('Cos', X))),
  Cos: unary((g, X, dY) => g.unary('Neg', g.mul(dY, g.unary('Sin', X)))),
  Tan: unary((g, _, dY, Y) => g.mul(dY, g.shift(g.square(Y), 1))),
  Atan: unary((g, X, dY) => g.div(dY, g.shift(g.square(X), 1))),
  Sinh: unary((g, X, dY) => g.mul(dY, g.unary('Cosh', X))),
  Cosh: unary((g, X, dY) => g.mul(dY, g.unary('Sinh', X))),
  Erf: unary((g, X, dY) => g.mul(dY, g.scale(g.unary('Exp', g.unary('Neg', g.square(X))), TWO_OVER_ROOT_PI))),
  Identity: unary((_g, _X, dY) => dY),
  Cast: unary((g, X, dY) => g.castLike(dY, X)),
  CastLike: gradient(['X', 'target'], ['Y'], (g, { X }, { Y: dY }) => ({ X: () => g.castLike(dY, X) })),
  Dropout: gradient(
    ['X', 'ratio?', 'training?'],
    ['Y', 'mask?'],
    (_g, _, { Y: dY }) => ({ X: () => dY }),
    refuseTraining,
  ),
  Sign: flat(['X']),
  Floor: flat(['X']),
  Ceil: flat(['X']),
  Round: flat(['X']),
}

const BINARY: Table = {
  Add: broadcasting(['A', 'B'], (_g, _, { Y: dY }) => ({ A: () => dY, B: () => dY })),
  Sub: broadcasting(['A', 'B'], (g, _, { Y: dY }) => ({ A: () => dY, B: () => g.unary('Neg', dY) })),
  Mul: broadcasting(['A', 'B'], (g, { A, B }, { Y: dY }) => ({ A: () => g.mul(dY, B), B: () => g.mul(dY, A) })),
  Div: broadcasting(['A', 'B'], (g, { B }, { Y: dY }, { Y }) => ({
    A: () => g.div(dY, B),
    B: () => g.unary('Neg', g.div(g.mul(dY, Y), B)),
  })),
  Pow: broadcasting(['X', 'E'], (g, { X, E }, { Y: dY }, { Y }) => ({
    X: () => g.mul(dY, powerSlope(g, X, E)),
    E: () => g.castLike(g.mul(dY, g.mul(Y, logOrZero(g, X))), E),
  })),
}

/** E · X^(E − 1) */
function powerSlope(g: Emitter, X: Value, E: Value): Value {
  const exponent = constantNumber(E)
  if (exponent === 2) return g.scale(X, 2)
  if (exponent !== null) return g.scale(g.pow(X, g.scalar(exponent - 1, X)), exponent)
  const power = g.castLike(E, X)
  return g.mul(power, g.pow(X, g.shift(power, -1)))
}

function constantNumber(value: Value): number | null {
  const tensor = constantOf(value)
  const isOne = tensor?.shape.every((dim) => dim === 1)
  if (!tensor || !isOne) return null
  const { dtype } = tensor
  if (dtype === 'int64') return Number(view(tensor, dtype)[0])
  return dtype === 'float32' || dtype === 'float64' || dtype === 'int32' ? view(tensor, dtype)[0] : null
}

/** The exponent's slope is 0 where the base is. */
function logOrZero(g: Emitter, X: Value): Value {
  const positive = g.compare('Greater', X, g.scalar(0, X))
  return g.unary('Log', g.where(positive, X, g.scalar(1, X)))
}

function refuseTraining({ inputs }: { inputs: readonly (Value | null)[] }): string | null {
  const training = inputs[2]
  if (!training) return null
  const tensor = constantOf(training)
  return tensor && view(tensor, 'bool')[0] === 0 ? null : 'a dropout that is active has a random gradient'
}

/** The inputs that equal the result share its gradient. */
const extreme = () =>
  broadcasting(['X*'], (g, inputs, { Y: dY }, { Y }) => {
    const list = Object.entries(inputs)
    if (list.length === 1) return { X0: () => dY }
    const masks = new Map(list.map(([name, X]) => [name, g.castLike(g.compare('Equal', X, Y), dY)]))
    const share = g.div(dY, g.sum([...masks.values()].map((mask) => g.expandLike(mask, Y))))
    return Object.fromEntries([...masks].map(([name, mask]) => [name, () => g.mul(share, mask)]))
  })

const VARIADIC: Table = {
  Sum: broadcasting(['X*'], (_g, inputs, { Y: dY }) =>
    Object.fromEntries(Object.keys(inputs).map((name) => [name, () => dY])),
  ),
  Mean: broadcasting(['X*'], (g, inputs, { Y: dY }) => {
    const names = Object.keys(inputs)
    return Object.fromEntries(names.map((name) => [name, () => g.scale(dY, 1 / names.length)]))
  }),
  Max: extreme(),
  Min: extreme(),
  Where: broadcasting(['condition', 'X', 'Z'], (g, { condition }, { Y: dY }) => ({
    X: () => g.keep(condition, dY),
    Z: () => g.where(condition, g.scalar(0, dY), dY),
  })),
}

export const ARITHMETIC: Table = { ...UNARY, ...BINARY, ...VARIADIC }
