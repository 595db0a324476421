/** Plan: which nodes run in integers, how every value is quantized, and the reason for what stays float. */
import type { Node, Value } from '../ir/graph.ts'
import type { QuantSpec } from '../quant/math.ts'

/** How one computed value is quantized. */
export type ValuePlan =
  /** range from calibration */
  | ({ kind: 'own' } & QuantSpec)
  /** a range that the operator guarantees */
  | ({ kind: 'fixed'; range: readonly [number, number] } & QuantSpec)
  /** parameters that the target prescribes */
  | ({ kind: 'given'; scale: number; zeroPoint: number } & QuantSpec)
  /** the parameters of another value */
  | { kind: 'shared'; with: Value }

/** How one constant is quantized where `node` reads it at `index`; the same constant may have other roles elsewhere. */
export interface ConstantPlan extends QuantSpec {
  node: Node
  index: number
  value: Value
  role: 'weight' | 'activation'
  /** null: one scale for the whole tensor */
  axis: number | null
  /** output channels of a weight whose neighbouring products are added in 16 bits */
  saturatesAlong?: number
}

export interface BiasPlan {
  input: Value
  weight: Value
  bias: Value
}

/** Where `node` reads `value`, it is converted first: to the parameters of another value, or to another number format. */
export interface Conversion {
  node: Node
  index: number
  value: Value
  to: { as: Value } | { spec: QuantSpec }
}

/** Which shifts hardware has for scales that are powers of two. */
export interface ShiftLimits {
  /** bounds of pos(input) + pos(weight) − pos(output), for scales 2^−pos */
  cut: readonly number[]
  /** bounds of pos(input) + pos(weight) − pos(bias); the lower one rises with the cut, up to 0 */
  bias: readonly number[]
}

export interface Plan {
  /** nodes that compute in integers */
  nodes: Set<Node>
  /** those among them that write integers too: every reader of their results reads through them */
  writers: Set<Node>
  /** nodes with integer weights whose activations are quantized at run time, and how */
  atRunTime: Map<Node, string>
  /** why every other node stays float */
  reasons: Map<Node, string>
  values: Map<Value, ValuePlan>
  /** values that one of `nodes` reads in float all the same */
  unread: Map<Node, Set<Value>>
  /** values that must have one scale and zero point: their ranges are united */
  ties: Value[][]
  converts: Conversion[]
  /** by how many bits results may be shifted, for scales that are powers of two */
  shifts: ShiftLimits | null
  constants: ConstantPlan[]
  biases: Map<Node, BiasPlan>
}

export interface PlanOptions {
  perChannel: boolean
  excludes: (node: Node) => string | null
  /** nodes that compute with the target's wide activations */
  wide?: (node: Node) => boolean
  /** of a node that the target quantizes at run time: how, or why not */
  atRunTime?: (node: Node) => { how: string } | { why: string }
}

/** Everything that computes with integer weights. */
export const quantizedIn = ({ nodes, atRunTime }: Plan): Node[] => [...nodes, ...atRunTime.keys()]
