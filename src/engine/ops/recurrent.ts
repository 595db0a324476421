/** Recurrent layers. */
import type { Node } from '../ir/graph.ts'
import { activation, integerOp, type OpTable, sizeOf, weight } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import { GRU } from './gradients/gru.ts'
import { LSTM } from './gradients/lstm.ts'
import { recurrentGradients, refusesUnlessUsual } from './gradients/recurrent.ts'
import { RNN } from './gradients/rnn.ts'

/** Weights [directions, gates · hidden, columns]: with two directions an index of axis 1 belongs to both. */
const rows = weight((node) => (node.inputs[1]?.tensor?.shape[0] === 1 ? 1 : null))

const recurrent = {
  class: 'multiply',
  inputs: ['X', 'W', 'R', 'B?', 'sequence_lens?', 'initial_h?'],
  outputs: ['Y?', 'Y_h?'],
  quant: { X: activation, W: rows, R: rows, Y: activation, Y_h: activation },
  refuses: ({ inputs }: Node) =>
    inputs[1]?.isConstant && inputs[2]?.isConstant ? null : 'its weights are not constants',
  macs: (node: Node) => stepsOf(node) * weightsOf(node, 1) + stepsOf(node) * weightsOf(node, 2),
} as const

export const RECURRENT = {
  LSTM: integerOp({
    ...recurrent,
    inputs: [...recurrent.inputs, 'initial_c?', 'P?'],
    outputs: [...recurrent.outputs, 'Y_c?'],
    gradient: (g, inputs, upstream, _outputs, node) => recurrentGradients(LSTM, g, inputs, upstream, node),
    refusesGradient: firstOf(needsRank, refusesUnlessUsual(['sigmoid', 'tanh', 'tanh'])),
    example:
      'Y, Y_h, Y_c = LSTM(X[3,2,2], W[1,12,2], R[1,12,3], B[1,24], _, initial_h[1,2,3], initial_c[1,2,3], hidden_size=3)',
  }),
  GRU: integerOp({
    ...recurrent,
    gradient: (g, inputs, upstream, _outputs, node) => recurrentGradients(GRU, g, inputs, upstream, node),
    refusesGradient: firstOf(needsRank, refusesUnlessUsual(['sigmoid', 'tanh'])),
    example: 'Y, Y_h = GRU(X[3,2,2], W[1,9,2], R[1,9,3], B[1,18], _, initial_h[1,2,3], hidden_size=3)',
  }),
  RNN: integerOp({
    ...recurrent,
    gradient: (g, inputs, upstream, _outputs, node) => recurrentGradients(RNN, g, inputs, upstream, node),
    refusesGradient: firstOf(needsRank, refusesUnlessUsual(['tanh'])),
    example: 'Y, Y_h = RNN(X[3,2,2], W[1,3,2], R[1,3,3], B[1,6], _, initial_h[1,2,3], hidden_size=3)',
  }),
} as const satisfies OpTable

/** steps of all sequences, X being [steps, sequences, features] in either order */
const stepsOf = ({ inputs }: Node): number => sizeOf(inputs[0]?.shape?.slice(0, 2))
const weightsOf = ({ inputs }: Node, index: number): number => sizeOf(inputs[index]?.tensor?.shape)
