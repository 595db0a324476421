/** Pooling over the places of a channel. */
import type { Node } from '../ir/graph.ts'
import { activation, integerOp, type OpTable, same } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import { averagePool, fixedImage, maxPool, refusesMaxPool, spatialAxes } from './gradients/pooling.ts'

const pooling = { inputs: ['X'], outputs: ['Y'], homogeneous: true, spatial: true, keepsSign: true } as const
const largest = { ...pooling, class: 'movement', quant: { X: activation, Y: same('X') } } as const
const mean = { ...pooling, class: 'pointwise', quant: { X: activation, Y: activation } } as const

const secondOutput = (node: Node) => (node.outputs[1] ? 'its second output has no integer form' : null)

export const POOLING = {
  MaxPool: integerOp({
    ...largest,
    outputs: ['Y', 'Indices?'],
    refuses: secondOutput,
    gradient: (g, { X }, { Y: dY }, { Y }, node) => ({ X: () => maxPool(g, X, Y, dY, node) }),
    refusesGradient: firstOf(needsRank, refusesMaxPool),
    example: 'Y = MaxPool(X[2,2,5,7], kernel_shape=[2,2], strides=[2,2])',
  }),
  AveragePool: integerOp({
    ...mean,
    gradient: (g, { X }, { Y: dY }, { Y }, node) => ({ X: () => averagePool(g, X, Y, dY, node) }),
    refusesGradient: firstOf(needsRank, fixedImage),
    example: 'Y = AveragePool(X[2,2,7,6], kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1])',
  }),
  GlobalAveragePool: integerOp({
    ...mean,
    gradient: (g, { X }, { Y: dY }) => ({ X: () => g.expandLike(g.div(dY, g.count(X, spatialAxes(X))), X) }),
    refusesGradient: needsRank,
    example: 'Y = GlobalAveragePool(X[2,3,4,2])',
  }),
  GlobalMaxPool: integerOp({
    ...largest,
    gradient: (g, { X }, { Y: dY }, { Y }) => ({
      X: () => {
        const mask = g.castLike(g.compare('Equal', X, Y), X)
        return g.mul(mask, g.div(dY, g.reduceSum(mask, spatialAxes(X))))
      },
    }),
    refusesGradient: needsRank,
    example: 'Y = GlobalMaxPool(X[2,3,4,2])',
  }),
} as const satisfies OpTable
