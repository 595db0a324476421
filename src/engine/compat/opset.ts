/** Refuses models whose operator set lacks what is to be written. */
import type { Model } from '../ir/graph.ts'

/** the first with QuantizeLinear and DequantizeLinear */
export const LINEAR = 10
/** the first with DynamicQuantizeLinear */
export const DYNAMIC = 11

export const opsetOf = ({ opsets }: Model): number => opsets.get('') ?? 0

export function requireOpset(model: Model, least: number): void {
  if (opsetOf(model) < least)
    throw new Error(`the model has operator set ${opsetOf(model)}, this needs ${least} at least: raise it first`)
}
