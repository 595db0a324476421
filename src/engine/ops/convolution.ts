/** Convolutions. */
import type { Node } from '../ir/graph.ts'
import { activation, bias, defineOp, sizeOf, weight } from './define.ts'

const constantWeight = (index: number) => (node: { inputs: readonly ({ isConstant: boolean } | null)[] }) =>
  node.inputs[index]?.isConstant ? null : 'its weight is not a constant'

export const CONVOLUTION = [
  defineOp({
    name: 'Conv',
    class: 'multiply',
    inputs: ['X', 'W', 'B?'],
    outputs: ['Y'],
    quant: { X: activation, W: weight(() => 0), B: bias('X', 'W'), Y: activation },
    refuses: constantWeight(1),
    inputChannels: { axis: 1, of: channelOfConv },
    macs: (node) => sizeOf(node.outputs[0]?.shape) * sizeOf(node.inputs[1]?.tensor?.shape.slice(1)),
  }),
  defineOp({
    name: 'ConvTranspose',
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
    refuses: constantWeight(1),
    inputChannels: { axis: 1, of: () => (outer) => outer },
    macs: (node) => sizeOf(node.inputs[0]?.shape) * sizeOf(node.inputs[1]?.tensor?.shape.slice(1)),
  }),
]

/** Weight [M, C ÷ group, k…]: each group of outputs sees its own group of inputs. */
function channelOfConv(node: Node, [outputs, perGroup, ...kernel]: readonly number[]) {
  const outputsPerGroup = outputs / node.int('group', 1)
  const size = kernel.reduce((a, b) => a * b, 1)
  return (_: number, channel: number, inner: number) =>
    Math.floor(channel / outputsPerGroup) * perGroup + Math.floor(inner / size)
}
