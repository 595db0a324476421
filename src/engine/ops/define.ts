/** What the engine knows of one operator, and the words to say it in. */
import type { Node } from '../ir/graph.ts'

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

export interface OpDef {
  name: string
  class: OpClass
  /** a trailing `?` marks an optional input, `*` any number of them */
  inputs: readonly string[]
  outputs: readonly string[]
  quant: Readonly<Record<string, Role>>
  /** values of attributes that a node does not state, where a target may care */
  defaults?: Readonly<Record<string, string | number>>
  /** a reason why this node cannot be quantized, or null */
  refuses?: (node: Node) => string | null
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
}

export const activation: Role = { kind: 'activation' }
export const float: Role = { kind: 'float' }
export const same = (as: string): Role => ({ kind: 'same', as })
export const fixed = (low: number, high: number): Role => ({ kind: 'fixed', range: [low, high] })
export const bias = (input: string, weight: string): Role => ({ kind: 'bias', input, weight })
export const weight = (axis: (node: Node, rank: number) => number | null): Role => ({ kind: 'weight', axis })

export const defineOp = (def: OpDef): OpDef => def

/** One definition for operators that differ only in name. */
export const defineOps = (names: readonly string[], def: Omit<OpDef, 'name'>): OpDef[] =>
  names.map((name) => ({ ...def, name }))

/** The name a definition gives to the node's input at `index`. */
export function inputName(def: OpDef, index: number): string | undefined {
  const declared = def.inputs[Math.min(index, def.inputs.length - 1)]
  if (declared === undefined) return undefined
  if (index >= def.inputs.length && !declared.endsWith('*')) return undefined
  return declared.replace(/[?*]$/, '')
}

export function outputName(def: OpDef, index: number): string | undefined {
  const declared = def.outputs[Math.min(index, def.outputs.length - 1)]
  if (declared === undefined || (index >= def.outputs.length && !declared.endsWith('*'))) return undefined
  return declared.replace(/[?*]$/, '')
}

export const inputRole = (def: OpDef, index: number): Role => def.quant[inputName(def, index) ?? ''] ?? float
export const outputRole = (def: OpDef, index: number): Role => def.quant[outputName(def, index) ?? ''] ?? float

/** Index of a named input. */
export const inputIndex = (def: OpDef, name: string): number =>
  def.inputs.findIndex((declared) => declared.replace(/[?*]$/, '') === name)

/** Product of a shape; NaN when a dimension beyond the first is not fixed. A free first dimension counts as 1. */
export function sizeOf(shape: readonly (number | string | null)[] | undefined): number {
  if (!shape) return Number.NaN
  return shape.reduce<number>(
    (product, dim, index) => product * (typeof dim === 'number' ? dim : index === 0 ? 1 : Number.NaN),
    1,
  )
}
