/** Normalizations over channels or features. */
import type { Node } from '../ir/graph.ts'
import { activation, bias, floatOp, integerOp, type OpTable, weight } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import {
  batchNormalizationGradients,
  instanceNormalizationGradients,
  layerNormalizationGradients,
  lpNormalizationGradient,
  statisticsUnused,
} from './gradients/normalization.ts'

const writesStatistics = (node: Node) =>
  node.outputs.slice(1).some(Boolean) ? 'its statistics have no integer form' : null

/** Kernels of integers normalize vectors that lie together. */
const notLast = (node: Node): string | null =>
  [-1, (node.inputs[0]?.shape?.length ?? 0) - 1].includes(node.int('axis', -1)) ? null : 'its axis is not the last one'

const refusesLayer = firstOf(needsRank, statisticsUnused)

export const NORMALIZATION = {
  LayerNormalization: integerOp({
    class: 'pointwise',
    inputs: ['X', 'Scale', 'B?'],
    outputs: ['Y', 'Mean?', 'InvStdDev?'],
    quant: { X: activation, Scale: weight(() => null), B: bias('X', 'Scale'), Y: activation },
    refuses: writesStatistics,
    gradient: (g, { X, Scale }, { Y: dY }, _outputs, node) => ({
      ...layerNormalizationGradients(g, X, Scale, dY, node, true),
      B: () => dY,
    }),
    refusesGradient: refusesLayer,
    example: 'Y = LayerNormalization(X[2,3,4], Scale[4], B[4])',
  }),
  RMSNormalization: floatOp({
    inputs: ['X', 'Scale'],
    outputs: ['Y'],
    gradient: (g, { X, Scale }, { Y: dY }, _outputs, node) => layerNormalizationGradients(g, X, Scale, dY, node, false),
    refusesGradient: refusesLayer,
    example: 'Y = RMSNormalization(X[2,3,4], Scale[4]) @23',
  }),
  SimplifiedLayerNormalization: floatOp({
    inputs: ['X', 'Scale'],
    outputs: ['Y', 'InvStdDev?'],
    gradient: (g, { X, Scale }, { Y: dY }, _outputs, node) => layerNormalizationGradients(g, X, Scale, dY, node, false),
    refusesGradient: refusesLayer,
    example: 'Y = SimplifiedLayerNormalization(X[2,3,4], Scale[4])',
  }),
  BatchNormalization: floatOp({
    inputs: ['X', 'scale', 'B', 'input_mean', 'input_var'],
    outputs: ['Y', 'running_mean?', 'running_var?'],
    gradient: (g, { X, scale, input_mean, input_var }, { Y: dY }, _outputs, node) =>
      batchNormalizationGradients(g, { X, scale, mean: input_mean, variance: input_var }, dY, node),
    refusesGradient: firstOf(needsRank, (node) => (node.int('training_mode', 0) ? 'its training mode' : null)),
    example: 'Y = BatchNormalization(X[2,3,4,2], scale[3], B[3], input_mean[3], input_var[3]>0)',
  }),
  InstanceNormalization: integerOp({
    class: 'pointwise',
    inputs: ['input', 'scale', 'B'],
    outputs: ['output'],
    quant: { input: activation, scale: weight(() => null), B: bias('input', 'scale'), output: activation },
    refuses: writesStatistics,
    gradient: (g, { input, scale }, { output: dY }, _outputs, node) =>
      instanceNormalizationGradients(g, input, scale, dY, node),
    refusesGradient: needsRank,
    example: 'output = InstanceNormalization(input[2,3,4,2], scale[3], B[3])',
  }),
  GroupNormalization: floatOp({
    inputs: ['X', 'scale', 'bias'],
    outputs: ['Y'],
    example: 'Y = GroupNormalization(X[2,4,3,2], scale[4], bias[4], num_groups=2) @21',
  }),
  LpNormalization: integerOp({
    class: 'pointwise',
    inputs: ['input'],
    outputs: ['output'],
    quant: { input: activation, output: activation },
    defaults: { p: 2 },
    refuses: notLast,
    gradient: (g, { input: X }, { output: dY }, { output: Y }, node) => ({
      input: () => lpNormalizationGradient(g, X, dY, Y, [node.int('axis', -1)], node.int('p', 2)),
    }),
    refusesGradient: needsRank,
    example: 'output = LpNormalization(input[2,3,4])',
  }),
} as const satisfies OpTable
