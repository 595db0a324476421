/** Slopes of activation functions. */
import type { Node, Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'

export const isPositive = (g: Emitter, X: Value): Value => g.compare('Greater', X, g.scalar(0, X))

/** s · (1 − s) */
export const logisticSlope = (g: Emitter, s: Value): Value => g.sub(s, g.square(s))

/** 1 where low < x < high, as a condition */
export const between = (g: Emitter, x: Value, low: number, high: number): Value =>
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

export const geluGradient = (g: Emitter, X: Value, dY: Value, _Y: Value, node: Node): Value =>
  g.mul(dY, node.string('approximate', 'none') === 'tanh' ? tanhGeluSlope(g, X) : geluSlope(g, X))

/** x · s(a·x): s + a · x · s · (1 − s) */
export function swishSlope(g: Emitter, X: Value, alpha: number): Value {
  const s = g.unary('Sigmoid', g.scale(X, alpha))
  return g.add(s, g.scale(g.mul(X, logisticSlope(g, s)), alpha))
}

/** y = x · tanh(softplus(x)) */
export function mishSlope(g: Emitter, X: Value): Value {
  const tanh = g.unary('Tanh', g.unary('Softplus', X))
  const inner = g.mul(g.sub(g.scalar(1, X), g.square(tanh)), g.unary('Sigmoid', X))
  return g.add(tanh, g.mul(X, inner))
}

/** slope `above` for positive inputs, else below(x) */
export const pieces = (g: Emitter, X: Value, above: number, below: Value): Value =>
  g.where(isPositive(g, X), g.scalar(above, X), below)

/** ½ + x ÷ 3 between −3 and 3; outside 0 and 1 */
export const hardSwishSlope = (g: Emitter, X: Value): Value =>
  g.where(between(g, X, -3, 3), g.shift(g.scale(X, 1 / 3), 0.5), pieces(g, X, 1, g.scalar(0, X)))

/** The slope of a line that is bounded at 0 and 1. */
export function hardSigmoidGradient(g: Emitter, X: Value, dY: Value, _Y: Value, node: Node): Value {
  const [alpha, beta] = [node.float('alpha', 0.2), node.float('beta', 0.5)]
  const [a, b] = [-beta / alpha, (1 - beta) / alpha]
  return g.keep(between(g, X, Math.min(a, b), Math.max(a, b)), g.scale(dY, alpha))
}

/** y · (dy − Σ dy · y) */
export function softmaxGradient(g: Emitter, _X: Value, dY: Value, Y: Value, node: Node): Value {
  const weighted = g.mul(dY, Y)
  return g.sub(weighted, g.mul(Y, g.reduceSum(weighted, [node.int('axis', -1)])))
}
