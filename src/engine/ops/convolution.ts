/** Convolutions. */
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
    macs: (node) => sizeOf(node.outputs[0]?.shape) * sizeOf(node.inputs[1]?.tensor?.shape.slice(1)),
  }),
]
