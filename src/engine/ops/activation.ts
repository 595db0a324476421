/** Activation functions and clamps. */

import type { Node, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { view } from '../ir/tensor.ts'
import { activation, fixed, floatOp, integerOp, type OpTable } from './define.ts'
import { elementwise, floatElementwise, INPUT_OUTPUT, type Slope } from './elementwise.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import { constantOf, type Emitter } from './gradients/emitter.ts'
import {
  geluGradient,
  hardSigmoidGradient,
  hardSwishSlope,
  isPositive,
  logisticSlope,
  mishSlope,
  pieces,
  softmaxGradient,
  swishSlope,
} from './gradients/slopes.ts'

const SELU_ALPHA = 1.6732632423543772
const SELU_GAMMA = 1.0507009873554805

const swish =
  (alpha: number): Slope =>
  (g, X, dY, _Y, node) =>
    g.mul(dY, swishSlope(g, X, node.float('alpha', alpha)))

const slopeIsKnown = ({ inputs }: Node): string | null =>
  inputs[1]?.shape || constantOf(inputs[1]) ? null : 'the rank of its slope is unknown'

function clipBounds({ inputs }: Node): readonly [number, number] | null {
  const [low, high] = [inputs[1], inputs[2]]
  if ((low && low.tensor?.dtype !== 'float32') || (high && high.tensor?.dtype !== 'float32')) return null
  const bound = (index: number, fallback: number) => {
    const tensor = inputs[index]?.tensor
    return tensor ? at(view(tensor, 'float32'), 0) : fallback
  }
  return [bound(1, Number.NEGATIVE_INFINITY), bound(2, Number.POSITIVE_INFINITY)]
}

/** What was outside of a bound is the gradient of that bound. */
const beyond = (g: Emitter, compare: 'Less' | 'Greater', X: Value, bound: Value, dY: Value): Value =>
  g.reduceAll(g.keep(g.compare(compare, X, bound), dY))

function refuseTraining({ inputs }: Node): string | null {
  const training = inputs[2]
  if (!training) return null
  const tensor = constantOf(training)
  return tensor && view(tensor, 'bool')[0] === 0 ? null : 'a dropout that is active has a random gradient'
}

export const ACTIVATION = {
  Relu: elementwise((g, _, dY, Y) => g.keep(isPositive(g, Y), dY), {
    class: 'clamp',
    bounds: () => [0, Number.POSITIVE_INFINITY],
    homogeneous: true,
    example: 'Y = Relu(X[2,3,4])',
  }),
  Clip: integerOp({
    class: 'clamp',
    inputs: ['input', 'min?', 'max?'],
    outputs: ['output'],
    quant: { input: activation, output: activation },
    bounds: clipBounds,
    gradient: (g, { input: X, min, max }, { output: dY }, { output: Y }) => ({
      input: () => g.keep(g.compare('Equal', X, Y), dY),
      min: min && (() => beyond(g, 'Less', X, min, dY)),
      max: max && (() => beyond(g, 'Greater', X, max, dY)),
    }),
    example: 'output = Clip(input[2,3,4], -0.51, 0.77)',
  }),
  LeakyRelu: elementwise(
    (g, X, dY, _Y, node) => g.where(isPositive(g, X), dY, g.scale(dY, node.float('alpha', 0.01))),
    { homogeneous: true, example: 'Y = LeakyRelu(X[2,3,4], alpha=0.1)' },
  ),
  PRelu: integerOp({
    class: 'pointwise',
    inputs: ['X', 'slope'],
    outputs: ['Y'],
    quant: { X: activation, slope: activation, Y: activation },
    homogeneous: true,
    broadcasts: true,
    gradient: (g, { X, slope }, { Y: dY }) => ({
      X: () => g.where(isPositive(g, X), dY, g.mul(dY, slope)),
      slope: () => g.mul(dY, g.node('Min', [X, g.scalar(0, X)], { shape: X.shape })),
    }),
    refusesGradient: firstOf(needsRank, slopeIsKnown),
    example: 'Y = PRelu(X[2,3,4], slope[3,1])',
  }),
  ThresholdedRelu: floatElementwise(
    (g, X, dY, _Y, node) => g.keep(g.compare('Greater', X, g.scalar(node.float('alpha', 1), X)), dY),
    { example: 'Y = ThresholdedRelu(X[2,3,4], alpha=0.37)' },
  ),
  Sigmoid: elementwise((g, _, dY, Y) => g.mul(dY, logisticSlope(g, Y)), { example: 'Y = Sigmoid(X[2,3,4])' }),
  Tanh: elementwise(
    (g, _, dY, Y) => g.sub(dY, g.mul(dY, g.square(Y))),
    { example: 'output = Tanh(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  HardSigmoid: elementwise(hardSigmoidGradient, { example: 'Y = HardSigmoid(X[2,3,4], alpha=0.3)' }),
  HardSwish: elementwise((g, X, dY) => g.mul(dY, hardSwishSlope(g, X)), { example: 'Y = HardSwish(X[2,3,4])' }),
  Elu: elementwise((g, X, dY, Y, node) => g.mul(dY, pieces(g, X, 1, g.shift(Y, node.float('alpha', 1)))), {
    defaults: { alpha: 1 },
    example: 'Y = Elu(X[2,3,4])',
  }),
  Celu: elementwise(
    (g, X, dY, _Y, node) => g.mul(dY, pieces(g, X, 1, g.unary('Exp', g.scale(X, 1 / node.float('alpha', 1))))),
    { example: 'Y = Celu(X[2,3,4], alpha=0.6)' },
  ),
  Selu: elementwise(
    (g, X, dY, Y, node) => {
      const [alpha, gamma] = [node.float('alpha', SELU_ALPHA), node.float('gamma', SELU_GAMMA)]
      return g.mul(dY, pieces(g, X, gamma, g.shift(Y, alpha * gamma)))
    },
    { example: 'Y = Selu(X[2,3,4])' },
  ),
  Softplus: elementwise((g, X, dY) => g.mul(dY, g.unary('Sigmoid', X)), { example: 'Y = Softplus(X[2,3,4])' }),
  Softsign: floatElementwise(
    (g, X, dY) => g.div(dY, g.square(g.shift(g.unary('Abs', X), 1))),
    { example: 'output = Softsign(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Gelu: elementwise(geluGradient, { example: 'Y = Gelu(X[2,3,4]) @20' }),
  'com.microsoft:Gelu': floatElementwise(geluGradient, { example: 'Y = com.microsoft:Gelu(X[2,3,4])' }),
  Mish: elementwise((g, X, dY) => g.mul(dY, mishSlope(g, X)), { example: 'Y = Mish(X[2,3,4]) @18' }),
  Swish: floatElementwise(swish(1), { example: 'Y = Swish(X[2,3,4], alpha=1.3) @24' }),
  'com.microsoft:QuickGelu': floatElementwise(swish(1.702), { example: 'Y = com.microsoft:QuickGelu(X[2,3,4])' }),
  Softmax: elementwise(
    softmaxGradient,
    { quant: { input: activation, output: fixed(0, 1) }, example: 'output = Softmax(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  LogSoftmax: elementwise(
    (g, _, dY, Y, node) => g.sub(dY, g.mul(g.unary('Exp', Y), g.reduceSum(dY, [node.int('axis', -1)]))),
    { example: 'output = LogSoftmax(input[2,3,4])' },
    INPUT_OUTPUT,
  ),
  Dropout: floatOp({
    inputs: ['data', 'ratio?', 'training_mode?'],
    outputs: ['output', 'mask?'],
    homogeneous: true,
    gradient: (_g, _inputs, { output: dY }) => ({ data: () => dY }),
    refusesGradient: refuseTraining,
    example: 'output = Dropout(data[2,3,4])',
  }),
} as const satisfies OpTable
