/** Convolutions. */

import type { Node } from '../ir/graph.ts'
import { leading } from '../ir/list.ts'
import { activation, bias, integerOp, type OpTable, sizeOf, weight } from './define.ts'
import {
  biasGradient,
  type Convolution,
  convolutionOf,
  inputGradient,
  refusesUnless,
  transposedInputGradient,
  transposedOf,
  weightGradient,
} from './gradients/convolution.ts'
import { firstOf, needsRank } from './gradients/define.ts'

const refuses = ({ inputs }: Node) => (inputs[1]?.isConstant ? null : 'its weight is not a constant')

export const CONVOLUTION = {
  Conv: integerOp({
    class: 'multiply',
    inputs: ['X', 'W', 'B?'],
    outputs: ['Y'],
    quant: { X: activation, W: weight(() => 0), B: bias('X', 'W'), Y: activation },
    refuses,
    inputChannels: { axis: 1, of: channelOfConv },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * sizeOf(node.inputs[1]?.tensor?.shape.slice(1)),
    gradient: (g, { X, W }, { Y: dY }, _outputs, node) => {
      const c = convolutionOf(node) as Convolution
      return {
        X: () => inputGradient(g, c, dY, W, X),
        W: () => weightGradient(g, c, X, dY),
        B: () => biasGradient(g, dY),
      }
    },
    refusesGradient: firstOf(needsRank, refusesUnless(convolutionOf)),
    example: 'Y = Conv(X[2,3,5,6], W[4,3,3,3], B[4], pads=[1,1,1,1])',
  }),
  ConvTranspose: integerOp({
    class: 'multiply',
    inputs: ['X', 'W', 'B?'],
    outputs: ['Y'],
    // Weight [C, M ÷ group, k…]: with groups an index of axis 1 belongs to several output channels.
    quant: {
      X: activation,
      W: weight((node) => (node.int('group', 1) === 1 ? 1 : null)),
      B: bias('X', 'W'),
      Y: activation,
    },
    refuses,
    inputChannels: { axis: 1, of: () => (outer) => outer },
    macs: (node) => sizeOf(node.inputs[0]?.shape) * sizeOf(node.inputs[1]?.tensor?.shape.slice(1)),
    gradient: (g, { X, W }, { Y: dY }, _outputs, node) => {
      const c = transposedOf(node) as Convolution
      return {
        X: () => transposedInputGradient(g, c, dY, W, X),
        W: () => weightGradient(g, c, dY, X),
        B: () => biasGradient(g, dY),
      }
    },
    refusesGradient: firstOf(needsRank, refusesUnless(transposedOf)),
    example: 'Y = ConvTranspose(X[2,3,3,4], W[3,2,3,3], B[2], strides=[2,2])',
  }),
} as const satisfies OpTable

/** Weight [M, C ÷ group, k…]: each group of outputs sees its own group of inputs. */
function channelOfConv(node: Node, weight: readonly number[]) {
  const [outputs, perGroup] = leading(2, weight)
  const outputsPerGroup = outputs / node.int('group', 1)
  const size = weight.slice(2).reduce((a, b) => a * b, 1)
  return (_: number, channel: number, inner: number) =>
    Math.floor(channel / outputsPerGroup) * perGroup + Math.floor(inner / size)
}
