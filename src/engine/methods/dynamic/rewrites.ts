/** What becomes integers at run time, by operator. */

import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
import type { ByOperator } from '../../ir/operators.ts'
import { elementCount } from '../../ir/tensor.ts'
import { weightProblem } from '../weight-problem.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'
import { convolution } from './convolution.ts'
import { gru } from './gru.ts'
import { lstm } from './lstm.ts'
import { gemm, matMul } from './product.ts'
import { gather } from './table.ts'

const REWRITES: ByOperator<Rewrite> = {
  MatMul: matMul,
  Gemm: gemm,
  Conv: convolution,
  Gather: gather,
  LSTM: lstm,
  GRU: gru,
}

/** What the rewrites of one model share; `domain` is that of DequantizeLinear. */
export const openRewrites = (
  model: Model,
  perChannel: boolean,
  domain: string,
  tied: ReadonlySet<Value> = new Set(),
): DynamicContext => ({
  model,
  perChannel,
  domain,
  activations: new Map(),
  weights: new Map(),
  tied,
})

/** Inputs of a node that its rewrite replaces. */
export function weightsOf({ opType }: Node): readonly number[] {
  const { weightIndex, weights } = REWRITES[opType] ?? {}
  return weights ?? (weightIndex === undefined ? [] : [weightIndex])
}

/** What a plan says of a node that is rewritten. */
export const describeRewrite = ({ opType }: Node): string => REWRITES[opType]!.reason

/** Quantizes a node that nothing refuses. */
export const rewriteNode = (context: DynamicContext, graph: Graph, node: Node): void =>
  REWRITES[node.opType]!.apply(context, graph, node)

/** Why a node stays float, or null. */
export function refusal(node: Node): string | null {
  const rewrite = node.domain === '' && Object.hasOwn(REWRITES, node.opType) ? REWRITES[node.opType] : undefined
  if (!rewrite) return 'dynamic quantization has no integer form of this operator'
  const { weightIndex, smallestRank, refuses } = rewrite
  const weight = floatConstant(node.inputs[weightIndex])
  if (!weight) return 'its weight is not a float32 constant'
  if (weight.shape.length < smallestRank || elementCount(weight.shape) === 0) return 'its weight is not a matrix'
  return refuses?.(node, weight) ?? weightProblem(node)
}
