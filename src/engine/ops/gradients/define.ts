/** What a gradient rule is, and the words to say it in. */
import type { Node, Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'

/** Values by the operator's own names; a name is absent where the node leaves an optional one out. Of `X*` the names are X0, X1, … */
export type Named = Readonly<Record<string, Value>>

/** Gradients by input, each built only when it is needed. null means zero; an input without an entry is a constant to the operator. */
export type Gradients = Readonly<Record<string, (() => Value | null) | undefined | false>>

/** `upstream` holds the gradients of the outputs that have one. Rules need not undo broadcasting. */
export type GradientFunction = (g: Emitter, inputs: Named, upstream: Named, outputs: Named, node: Node) => Gradients

export interface GradientRule {
  /** a trailing `?` marks an optional input, `*` any number of them */
  inputs: readonly string[]
  outputs: readonly string[]
  /** a reason why this node has no gradient, or null */
  refuses?: (node: Node) => string | null
  /** whether inputs are broadcast against each other, so that a free dimension may have been repeated */
  broadcasts?: true
  gradients: GradientFunction
}

export type Table = Readonly<Record<string, GradientRule>>

export function gradient(
  inputs: readonly string[],
  outputs: readonly string[],
  gradients: GradientFunction,
  refuses?: (node: Node) => string | null,
): GradientRule {
  return { inputs, outputs, gradients, ...(refuses && { refuses }) }
}

/** The rule of an operator that broadcasts its inputs against each other. */
export const broadcasting = (
  inputs: readonly string[],
  gradients: GradientFunction,
  refuses?: (node: Node) => string | null,
): GradientRule => ({ ...gradient(inputs, ['Y'], gradients, refuses), broadcasts: true })

/** The rule of an operator Y = f(X). */
export const unary = (of: (g: Emitter, X: Value, dY: Value, Y: Value, node: Node) => Value): GradientRule =>
  gradient(['X'], ['Y'], (g, { X }, { Y: dY }, { Y }, node) => ({ X: () => of(g, X, dY, Y, node) }))

/** The rule of an operator whose outputs are flat or discrete. */
export const flat = (inputs: readonly string[]): GradientRule =>
  gradient(inputs, ['Y*'], () => Object.fromEntries(inputs.map((name) => [name, () => null])))

/** The name that declared names give to position `index`. */
export function nameAt(declared: readonly string[], index: number): string | undefined {
  const last = declared.length - 1
  const name = declared[Math.min(index, last)]
  if (name?.endsWith('*')) return `${name.slice(0, -1)}${index - last}`
  return index <= last ? name.replace(/\?$/, '') : undefined
}

/** Reasons that hold when the first input's rank is unknown. */
export const needsRank = ({ inputs }: Node): string | null =>
  inputs[0]?.shape ? null : 'the rank of its input is unknown'

/** The first reason of several checks. */
export const firstOf =
  (...checks: readonly ((node: Node) => string | null)[]) =>
  (node: Node): string | null =>
    checks.map((check) => check(node)).find((reason) => reason !== null) ?? null
