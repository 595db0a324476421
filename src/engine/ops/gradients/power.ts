/** Gradients of powers X^E. */
import type { Value } from '../../ir/graph.ts'
import { view } from '../../ir/tensor.ts'
import { constantOf, type Emitter } from './emitter.ts'

export const baseGradient = (g: Emitter, X: Value, E: Value, dY: Value): Value => g.mul(dY, powerSlope(g, X, E))

export const exponentGradient = (g: Emitter, X: Value, E: Value, dY: Value, Y: Value): Value =>
  g.castLike(g.mul(dY, g.mul(Y, logOrZero(g, X))), E)

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
  return dtype === 'float32' || dtype === 'float64' || dtype === 'int32' ? view(tensor, dtype)[0]! : null
}

/** The exponent's slope is 0 where the base is. */
function logOrZero(g: Emitter, X: Value): Value {
  const positive = g.compare('Greater', X, g.scalar(0, X))
  return g.unary('Log', g.where(positive, X, g.scalar(1, X)))
}
