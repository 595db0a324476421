/** What the engine knows of one operator, and the words to say it in. */
import type { Node } from '../ir/graph.ts'
import type { StandardOperator } from '../ir/operators.ts'
import type { AnyGradient, BaseName, GradientFunction } from './gradients/define.ts'

/** What a tensor means to its operator; never what a chip wants. */
export type Role =
  | { kind: 'activation' }
  /** a constant with one scale per index of `axis`, or one scale when `axis` gives null */
  | { kind: 'weight'; axis: (node: Node, rank: number) => number | null }
  /** scale = scale(input) · scale(weight); named inputs of the same operator */
  | { kind: 'bias'; input: string; weight: string }
  /** the parameters of another tensor of the same node */
  | { kind: 'same'; as: string }
  | { kind: 'fixed'; range: readonly [number, number] }
  | { kind: 'float' }

/** multiply = does the multiply-accumulates; clamp = bounds its input; pointwise = arithmetic on elements; movement = only moves or picks elements */
export type OpClass = 'multiply' | 'clamp' | 'pointwise' | 'movement'

/** What an operator with one number as its other operand does to x, to the bit. */
export interface Monotone {
  /** in float32, as the operator rounds */
  become: (x: number) => number
  /** whether a larger x gives a larger or equal result; otherwise a smaller or equal one */
  rises: boolean
  keepsZero: boolean
}

/**
 * A model of the one operator, as text: `Y = Conv(X[1,3,8,8], W[4,3,3,3], B[4], pads=[1,1,1,1]) @17`.
 * Inputs have their names and shapes, `>0` behind a shape keeps them positive; `_` leaves an input out. Constants that are no inputs are
 * written as numbers: `1`, `{0,-1}`, `{0.5,2.0}`, `{true,false}`, with a shape where they are no vector: `{0,1,1,0}[2,2]`.
 * Attributes are `name=1`, `0.5`, `'text'` or `[1,2]`; `@` gives the operator set where 17 is too old.
 */
export type Example = `${string} = ${string}(${string})${string}`

/** Facts that code elsewhere reads; an absent one does not hold, or nobody needed it yet. */
interface Facts {
  /** f(s·x) = s·f(x) for every s > 0, channel by channel */
  homogeneous?: true
  /** works on the places of a channel, which lies along axis 1 */
  spatial?: true
  /** merges the axes on either side of `axis` */
  flattens?: true
  /** puts its inputs behind one another along `axis` */
  joins?: true
  /** adds its two operands, or subtracts one */
  sums?: true
  /** what it does to the other operand where one is a number: x ∘ number, and number ∘ x */
  withNumber?: { behind: (c: number) => Monotone; front?: (c: number) => Monotone }
  /** where its float inputs are not negative, its output is not */
  keepsSign?: true
  /** of a clamp: the range that it enforces, or null when it is computed at run time */
  bounds?: (node: Node) => readonly [number, number] | null
  /** of a multiplication: the axis of its input and output that holds channels (−1: the last), and which of them a weight multiplies */
  inputChannels?: {
    axis: number
    /** by position in the weight: blocks before the output channel's axis, output channel, elements behind it */
    of: (node: Node, weight: readonly number[]) => (outer: number, channel: number, inner: number) => number
  }
  /** multiply-accumulates of one run, given concrete shapes; NaN when a shape is missing */
  macs?: (node: Node) => number
  /** values of attributes that a node does not state, where a target may care */
  defaults?: Readonly<Record<string, string | number>>
  /** the operator set that no longer has it */
  removedIn?: number
}

/** An operator as code sees it. */
export interface OpDef extends Facts {
  /** as the ONNX specification names them; a trailing `?` marks an optional input, `*` any number of them */
  inputs: readonly string[]
  outputs: readonly string[]
  class?: OpClass
  /** what each tensor means when the operator computes in integers; absent when it always stays float */
  quant?: Readonly<Record<string, Role>>
  /** a reason why this node cannot be quantized, or null */
  refuses?: (node: Node) => string | null
  /** builds the nodes that compute the gradients of the inputs; absent where training cannot pass */
  gradient?: AnyGradient
  /** a reason why this node has no gradient, or null */
  refusesGradient?: (node: Node) => string | null
  /** whether inputs are broadcast against each other, so that a free dimension may have been repeated */
  broadcasts?: true
  example: Example
}

/** One family of operators, by name; other domains than the standard one stand in front of it. */
export type OpTable = { readonly [Name in StandardOperator | `com.microsoft:${string}`]?: OpDef }

/** An operator that can compute in integers. */
export interface IntegerOp extends OpDef {
  class: OpClass
  quant: Readonly<Record<string, Role>>
}

/** An operator as its entry writes it: roles and gradients by the names of its own inputs and outputs. */
interface Entry<Input extends string, Output extends string> extends Facts {
  inputs: readonly Input[]
  outputs: readonly Output[]
  gradient?: GradientFunction<Input, Output>
  refusesGradient?: (node: Node) => string | null
  broadcasts?: true
  example: Example
}

interface IntegerEntry<Input extends string, Output extends string> extends Entry<Input, Output> {
  class: OpClass
  quant: Readonly<Partial<Record<BaseName<Input | Output>, Role>>>
  refuses?: (node: Node) => string | null
}

export const activation: Role = { kind: 'activation' }
export const float: Role = { kind: 'float' }
export const same = (as: string): Role => ({ kind: 'same', as })
export const fixed = (low: number, high: number): Role => ({ kind: 'fixed', range: [low, high] })
export const bias = (input: string, weight: string): Role => ({ kind: 'bias', input, weight })
export const weight = (axis: (node: Node, rank: number) => number | null): Role => ({ kind: 'weight', axis })

/** An operator that can compute in integers. */
export const integerOp = <const Input extends string, const Output extends string>(
  entry: IntegerEntry<Input, Output>,
): IntegerOp => entry as IntegerOp

/** An operator that always computes in float. */
export const floatOp = <const Input extends string, const Output extends string>(entry: Entry<Input, Output>): OpDef =>
  entry as OpDef

/** The name a definition gives to the node's input at `index`. */
export const inputName = ({ inputs }: OpDef, index: number): string | undefined => baseNameAt(inputs, index)

const outputName = ({ outputs }: OpDef, index: number): string | undefined => baseNameAt(outputs, index)

function baseNameAt(declared: readonly string[], index: number): string | undefined {
  const name = declared[Math.min(index, declared.length - 1)]
  if (name === undefined || (index >= declared.length && !name.endsWith('*'))) return undefined
  return baseName(name)
}

const baseName = (declared: string): string => declared.replace(/[?*]$/, '')

export const inputRole = (def: OpDef, index: number): Role => def.quant?.[inputName(def, index) ?? ''] ?? float
export const outputRole = (def: OpDef, index: number): Role => def.quant?.[outputName(def, index) ?? ''] ?? float

/** Index of a named input. */
export const inputIndex = (def: OpDef, name: string): number =>
  def.inputs.findIndex((declared) => baseName(declared) === name)

/** Product of a shape; NaN when a dimension beyond the first is not fixed. A free first dimension counts as 1. */
export function sizeOf(shape: readonly (number | string | null)[] | undefined): number {
  if (!shape) return Number.NaN
  return shape.reduce<number>(
    (product, dim, index) => product * (typeof dim === 'number' ? dim : index === 0 ? 1 : Number.NaN),
    1,
  )
}
