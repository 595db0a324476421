/** Operators that pick or write elements by their indices. */
import { activation, floatOp, integerOp, type OpTable, same } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import {
  axisOf,
  gather,
  gatherNd,
  refusesScatter,
  scatterGradient,
  scatterUpdatesGradient,
} from './gradients/gather.ts'

const picking = {
  class: 'movement',
  inputs: ['data', 'indices'],
  outputs: ['output'],
  quant: { data: activation, output: same('data') },
  keepsSign: true,
} as const

export const INDEXING = {
  Gather: integerOp({
    ...picking,
    gradient: (g, { data: X, indices }, { output: dY }, _outputs, node) => ({
      data: () => gather(g, X, indices, dY, node),
    }),
    refusesGradient: needsRank,
    example: 'output = Gather(data[4,3], {0,2,2,-1}[2,2])',
  }),
  GatherElements: integerOp({
    ...picking,
    gradient: (g, { data: X, indices }, { output: dY }, _outputs, node) => ({
      data: () => g.scatterAdd(X, indices, dY, axisOf(node)),
    }),
    refusesGradient: needsRank,
    example: 'output = GatherElements(data[2,3], {0,1,1,2,0,0}[2,3], axis=1)',
  }),
  GatherND: integerOp({
    ...picking,
    gradient: (g, { data: X, indices }, { output: dY }) => ({ data: () => gatherNd(g, X, indices, dY) }),
    refusesGradient: (node) => (node.int('batch_dims', 0) === 0 ? null : 'batch dimensions'),
    example: 'output = GatherND(data[2,3,4], {0,1,1,0,0,1}[3,2])',
  }),
  ScatterElements: floatOp({
    inputs: ['data', 'indices', 'updates'],
    outputs: ['output'],
    gradient: (g, { indices, updates }, { output: dY }, _outputs, node) => ({
      data: () => scatterGradient(g, indices, updates, dY, node),
      updates: () => scatterUpdatesGradient(g, indices, dY, node),
    }),
    refusesGradient: firstOf(needsRank, refusesScatter),
    example: 'output = ScatterElements(data[3,3], {0,1,2,2,0,1}[2,3], updates[2,3], axis=0)',
  }),
} as const satisfies OpTable
