/** Recurrent layers. */
import type { Node } from '../ir/graph.ts'
import { activation, defineOps, sizeOf, weight } from './define.ts'

/** Weights [directions, gates · hidden, columns]: with two directions an index of axis 1 belongs to both. */
const rows = weight((node) => (node.inputs[1]?.tensor?.shape[0] === 1 ? 1 : null))

const recurrent = {
  class: 'multiply',
  quant: { X: activation, W: rows, R: rows, Y: activation, Y_h: activation },
  refuses: ({ inputs }: Node) =>
    inputs[1]?.isConstant && inputs[2]?.isConstant ? null : 'its weights are not constants',
  macs: (node: Node) => stepsOf(node) * weightsOf(node, 1) + stepsOf(node) * weightsOf(node, 2),
} as const

export const RECURRENT = [
  ...defineOps(['LSTM'], {
    ...recurrent,
    inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?', 'initial_c?', 'P?'],
    outputs: ['Y?', 'Y_h?', 'Y_c?'],
  }),
  ...defineOps(['GRU', 'RNN'], {
    ...recurrent,
    inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?'],
    outputs: ['Y?', 'Y_h?'],
  }),
]

/** steps of all sequences, X being [steps, sequences, features] in either order */
const stepsOf = ({ inputs }: Node): number => sizeOf(inputs[0]?.shape?.slice(0, 2))
const weightsOf = ({ inputs }: Node, index: number): number => sizeOf(inputs[index]?.tensor?.shape)
