/** What a gradient is, and the words to say it in. */
import type { Node, Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'

/** A declared name without its mark. */
export type BaseName<Declared extends string> = Declared extends `${infer Name}${'?' | '*'}` ? Name : Declared

/** The names that a declared one gives to values: of `X*` they are X0, X1, … */
type NameOf<Declared extends string> = Declared extends `${infer Name}*` ? `${Name}${number}` : BaseName<Declared>

/** Values by the operator's own names; one is absent where the node leaves an optional one out. */
export type Named<Declared extends string> = {
  readonly [Each in Declared as NameOf<Each>]: Each extends `${string}?` ? Value | undefined : Value
}

/** Gradients by input, each built only when it is needed. null means zero; an input without an entry is a constant to the operator. */
type Gradients<Input extends string> = {
  readonly [Each in NameOf<Input>]?: (() => Value | null) | false
}

/** `upstream` holds the gradients of the outputs that have one. Rules need not undo broadcasting. */
export type GradientFunction<Input extends string, Output extends string> = (
  g: Emitter,
  inputs: Named<Input>,
  upstream: Named<Output>,
  outputs: Named<Output>,
  node: Node,
) => Gradients<Input>

type Values = Readonly<Record<string, Value>>

/** A gradient function of an operator whose names the caller does not know. */
export type AnyGradient = (
  g: Emitter,
  inputs: Values,
  upstream: Values,
  outputs: Values,
  node: Node,
) => Readonly<Record<string, (() => Value | null) | false | undefined>>

/** The part of an operator's definition that differentiation reads. */
export interface GradientRule {
  inputs: readonly string[]
  outputs: readonly string[]
  gradient: AnyGradient
  refusesGradient?: (node: Node) => string | null
  broadcasts?: true
}

/** The rule of an operator that is not in the table. */
export const gradient = <const Input extends string, const Output extends string>(
  inputs: readonly Input[],
  outputs: readonly Output[],
  of: GradientFunction<Input, Output>,
): GradientRule => ({ inputs, outputs, gradient: of as AnyGradient })

/** The name that declared names give to position `index`. */
export function nameAt(declared: readonly string[], index: number): string | undefined {
  const last = declared.length - 1
  const name = declared[Math.min(index, last)]
  if (name?.endsWith('*')) return `${name.slice(0, -1)}${index - last}`
  return index <= last ? name?.replace(/\?$/, '') : undefined
}

/** Reasons that hold when the first input's rank is unknown. */
export const needsRank = ({ inputs }: Node): string | null =>
  inputs[0]?.shape ? null : 'the rank of its input is unknown'

/** The first reason of several checks. */
export const firstOf =
  (...checks: readonly ((node: Node) => string | null)[]) =>
  (node: Node): string | null =>
    checks.map((check) => check(node)).find((reason) => reason !== null) ?? null
