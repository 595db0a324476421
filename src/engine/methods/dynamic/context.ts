/** What the rewrites of one model share. */
import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'

export interface DynamicContext {
  model: Model
  perChannel: boolean
  domain: string
  /** activations that are quantized already: [integers, scale, zero point] */
  activations: Map<Value, readonly [Value, Value, Value]>
  weights: Map<string, QuantizedWeight>
  /** tables that products read too, in either orientation */
  tied: ReadonlySet<Value>
}

export interface QuantizedWeight {
  integers: Value
  scale: Value
  zeroPoint: Value
}

/** How one operator becomes integers. */
export interface Rewrite {
  /** input that must be a float32 constant */
  weightIndex: number
  /** all inputs that are replaced, where there are more */
  weights?: readonly number[]
  smallestRank: number
  refuses?: (node: Node, weight: Tensor) => string | null
  /** what the plan says of such a node */
  reason: string
  apply: (context: DynamicContext, graph: Graph, node: Node) => void
}

export const floatConstant = (value: Value | null | undefined): Tensor | undefined =>
  value?.tensor?.dtype === 'float32' ? value.tensor : undefined
