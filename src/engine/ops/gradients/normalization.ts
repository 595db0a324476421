/** Gradients of normalizations. */
import type { Node, Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'
import { normalAxis, range } from './shapes.ts'

const rank = (value: Value): number => value.shape?.length ?? 0

/** [C] as [C, 1, 1, …], to go with [N, C, …] */
function perChannel(g: Emitter, value: Value, like: Value): Value {
  return rank(like) > 2 ? g.unsqueeze(value, range(rank(like) - 2, 1)) : value
}

/** Sum over all axes but that of the channels. */
const overChannels = (g: Emitter, value: Value): Value =>
  g.reduceSum(
    value,
    range(rank(value)).filter((axis) => axis !== 1),
    false,
  )

/** 1 / √(variance + ε) */
const inverseDeviation = (g: Emitter, variance: Value, epsilon: number): Value =>
  g.unary('Reciprocal', g.unary('Sqrt', g.shift(variance, epsilon)))

interface Normalized {
  /** (x − mean) / deviation */
  hat: Value
  inverse: Value
}

function normalize(g: Emitter, X: Value, axes: readonly number[], epsilon: number, centred = true): Normalized {
  const centre = centred ? g.sub(X, g.mean(X, axes)) : X
  const inverse = inverseDeviation(g, g.mean(g.square(centre), axes), epsilon)
  return { hat: g.mul(centre, inverse), inverse }
}

/** inverse · (dhat − mean(dhat) − hat · mean(dhat · hat)) */
function backward(
  g: Emitter,
  { hat, inverse }: Normalized,
  dhat: Value,
  axes: readonly number[],
  centred = true,
): Value {
  const along = g.mul(hat, g.mean(g.mul(dhat, hat), axes))
  const rest = g.sub(dhat, along)
  return g.mul(centred ? g.sub(rest, g.mean(dhat, axes)) : rest, inverse)
}

const layerAxes = (X: Value, node: Node): number[] => {
  const axis = normalAxis(node.int('axis', -1), rank(X))
  return range(rank(X) - axis, axis)
}

/** Gradients of input and scale; RMS normalization is the one that is not centred. */
export function layerNormalizationGradients(
  g: Emitter,
  X: Value,
  Scale: Value,
  dY: Value,
  node: Node,
  centred: boolean,
) {
  const axes = layerAxes(X, node)
  const normalized = normalize(g, X, axes, node.float('epsilon', 1e-5), centred)
  return {
    X: () => backward(g, normalized, g.mul(dY, Scale), axes, centred),
    Scale: () => g.mul(dY, normalized.hat),
  }
}

export function statisticsUnused({ outputs }: Node): string | null {
  return outputs.slice(1).some((value) => value && value.consumers.size > 0) ? 'its statistics are used' : null
}

interface BatchNormalization {
  X: Value
  scale: Value
  mean: Value
  variance: Value
}

export function batchNormalizationGradients(
  g: Emitter,
  { X, scale, mean, variance }: BatchNormalization,
  dY: Value,
  node: Node,
) {
  const inverse = inverseDeviation(g, variance, node.float('epsilon', 1e-5))
  const centred = () => g.sub(X, perChannel(g, mean, X))
  const sum = () => overChannels(g, dY)
  const weighted = () => g.mul(overChannels(g, g.mul(dY, centred())), inverse)
  return {
    X: () => g.mul(dY, perChannel(g, g.mul(scale, inverse), X)),
    scale: weighted,
    B: sum,
    input_mean: () => g.unary('Neg', g.mul(sum(), g.mul(scale, inverse))),
    input_var: () => g.scale(g.mul(weighted(), g.mul(scale, g.square(inverse))), -0.5),
  }
}

export function instanceNormalizationGradients(g: Emitter, X: Value, scale: Value, dY: Value, node: Node) {
  const axes = range(rank(X) - 2, 2)
  const normalized = normalize(g, X, axes, node.float('epsilon', 1e-5))
  return {
    input: () => backward(g, normalized, g.mul(dY, perChannel(g, scale, X)), axes),
    scale: () => overChannels(g, g.mul(dY, normalized.hat)),
    B: () => overChannels(g, dY),
  }
}

/** With n the norm and n′ its slope: (dy − n′ · Σ dy · y) / n */
export function lpNormalizationGradient(g: Emitter, X: Value, dY: Value, Y: Value, axes: number[], p: number): Value {
  const norm = p === 1 ? g.reduceSum(g.unary('Abs', X), axes) : g.unary('Sqrt', g.reduceSum(g.square(X), axes))
  const slope = p === 1 ? g.unary('Sign', X) : Y
  return g.div(g.sub(dY, g.mul(slope, g.reduceSum(g.mul(dY, Y), axes))), norm)
}
