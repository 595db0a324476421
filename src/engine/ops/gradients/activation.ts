/** Gradients of activation functions and clamps. */
import type { Node, Value } from '../../ir/graph.ts'
import { firstOf, gradient, needsRank, type Table, unary } from './define.ts'
import { constantOf, type Emitter } from './emitter.ts'

const isPositive = (g: Emitter, X: Value): Value => g.compare('Greater', X, g.scalar(0, X))

/** s · (1 − s) */
const logisticSlope = (g: Emitter, s: Value): Value => g.sub(s, g.square(s))

/** 1 where low < x < high, as a condition */
const between = (g: Emitter, x: Value, low: number, high: number): Value =>
  g.compare('And', g.compare('Greater', x, g.scalar(low, x)), g.compare('Less', x, g.scalar(high, x)))

/** Φ(x) + x · φ(x) */
function geluSlope(g: Emitter, X: Value): Value {
  const cdf = g.scale(g.shift(g.unary('Erf', g.scale(X, Math.SQRT1_2)), 1), 0.5)
  const density = g.scale(g.unary('Exp', g.scale(g.square(X), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return g.add(cdf, g.mul(X, density))
}

/** With u = √(2/π) · (x + 0.044715 x³): ½ (1 + tanh u) + ½ x (1 − tanh² u) u′ */
function tanhGeluSlope(g: Emitter, X: Value): Value {
  const root = Math.sqrt(2 / Math.PI)
  const squared = g.square(X)
  const tanh = g.unary('Tanh', g.mul(X, g.shift(g.scale(squared, 0.044715 * root), root)))
  const inner = g.shift(g.scale(squared, 3 * 0.044715 * root), root)
  const rest = g.mul(g.mul(X, g.sub(g.scalar(1, X), g.square(tanh))), inner)
  return g.scale(g.add(g.shift(tanh, 1), rest), 0.5)
}

const gelu = unary((g, X, dY, _Y, node) =>
  g.mul(dY, node.string('approximate', 'none') === 'tanh' ? tanhGeluSlope(g, X) : geluSlope(g, X)),
)

/** x · s(a·x): s + a · x · s · (1 − s) */
function swishSlope(g: Emitter, X: Value, alpha: number): Value {
  const s = g.unary('Sigmoid', g.scale(X, alpha))
  return g.add(s, g.scale(g.mul(X, logisticSlope(g, s)), alpha))
}

/** y = x · tanh(softplus(x)) */
function mishSlope(g: Emitter, X: Value): Value {
  const tanh = g.unary('Tanh', g.unary('Softplus', X))
  const inner = g.mul(g.sub(g.scalar(1, X), g.square(tanh)), g.unary('Sigmoid', X))
  return g.add(tanh, g.mul(X, inner))
}

/** slope `above` for positive inputs, else below(x) */
const pieces = (g: Emitter, X: Value, above: number, below: Value): Value =>
  g.where(isPositive(g, X), g.scalar(above, X), below)

const SELU_ALPHA = 1.6732632423543772
const SELU_GAMMA = 1.0507009873554805

function hardSigmoidBounds(node: Node): { alpha: number; low: number; high: number } {
  const [alpha, beta] = [node.float('alpha', 0.2), node.float('beta', 0.5)]
  const [a, b] = [-beta / alpha, (1 - beta) / alpha]
  return { alpha, low: Math.min(a, b), high: Math.max(a, b) }
}

const ELEMENTS: Table = {
  Relu: unary((g, _, dY, Y) => g.keep(isPositive(g, Y), dY)),
  LeakyRelu: unary((g, X, dY, _Y, node) => g.where(isPositive(g, X), dY, g.scale(dY, node.float('alpha', 0.01)))),
  ThresholdedRelu: unary((g, X, dY, _Y, node) =>
    g.keep(g.compare('Greater', X, g.scalar(node.float('alpha', 1), X)), dY),
  ),
  Sigmoid: unary((g, _, dY, Y) => g.mul(dY, logisticSlope(g, Y))),
  Tanh: unary((g, _, dY, Y) => g.sub(dY, g.mul(dY, g.square(Y)))),
  HardSigmoid: unary((g, X, dY, _Y, node) => {
    const { alpha, low, high } = hardSigmoidBounds(node)
    return g.keep(between(g, X, low, high), g.scale(dY, alpha))
  }),
  HardSwish: unary((g, X, dY) => {
    const slope = g.where(between(g, X, -3, 3), g.shift(g.scale(X, 1 / 3), 0.5), pieces(g, X, 1, g.scalar(0, X)))
    return g.mul(dY, slope)
  }),
  Elu: unary((g, X, dY, Y, node) => g.mul(dY, pieces(g, X, 1, g.shift(Y, node.float('alpha', 1))))),
  Celu: unary((g, X, dY, _Y, node) => {
    const alpha = node.float('alpha', 1)
    return g.mul(dY, pieces(g, X, 1, g.unary('Exp', g.scale(X, 1 / alpha))))
  }),
  Selu: unary((g, X, dY, Y, node) => {
    const [alpha, gamma] = [node.float('alpha', SELU_ALPHA), node.float('gamma', SELU_GAMMA)]
    return g.mul(dY, pieces(g, X, gamma, g.shift(Y, alpha * gamma)))
  }),
  Softplus: unary((g, X, dY) => g.mul(dY, g.unary('Sigmoid', X))),
  Softsign: unary((g, X, dY) => g.div(dY, g.square(g.shift(g.unary('Abs', X), 1)))),
  Gelu: gelu,
  'com.microsoft:Gelu': gelu,
  Mish: unary((g, X, dY) => g.mul(dY, mishSlope(g, X))),
  Swish: unary((g, X, dY, _Y, node) => g.mul(dY, swishSlope(g, X, node.float('alpha', 1)))),
  'com.microsoft:QuickGelu': unary((g, X, dY, _Y, node) => g.mul(dY, swishSlope(g, X, node.float('alpha', 1.702)))),
  Softmax: unary(softmax),
  LogSoftmax: unary((g, _, dY, Y, node) =>
    g.sub(dY, g.mul(g.unary('Exp', Y), g.reduceSum(dY, [node.int('axis', -1)]))),
  ),
}

/** y · (dy − Σ dy · y) */
function softmax(g: Emitter, _X: Value, dY: Value, Y: Value, node: Node): Value {
  const weighted = g.mul(dY, Y)
  return g.sub(weighted, g.mul(Y, g.reduceSum(weighted, [node.int('axis', -1)])))
}

const slopeIsConstant = ({ inputs }: Node): string | null =>
  inputs[1]?.shape || constantOf(inputs[1]) ? null : 'the rank of its slope is unknown'

export const ACTIVATION: Table = {
  ...ELEMENTS,
  Clip: gradient(['X', 'min?', 'max?'], ['Y'], (g, { X, min, max }, { Y: dY }, { Y }) => ({
    X: () => g.keep(g.compare('Equal', X, Y), dY),
    ...(min && { min: () => g.reduceAll(g.keep(g.compare('Less', X, min), dY)) }),
    ...(max && { max: () => g.reduceAll(g.keep(g.compare('Greater', X, max), dY)) }),
  })),
  PRelu: {
    ...gradient(
      ['X', 'slope'],
      ['Y'],
      (g, { X, slope }, { Y: dY }) => ({
        X: () => g.where(isPositive(g, X), dY, g.mul(dY, slope)),
        slope: () => g.mul(dY, g.node('Min', [X, g.scalar(0, X)], { shape: X.shape })),
      }),
      firstOf(needsRank, slopeIsConstant),
    ),
    broadcasts: true,
  },
}
