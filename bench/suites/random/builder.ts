/** What blocks of random graphs are made with: a seeded choice, and a value that knows its sizes. */

import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { float, int, ints } from '../../../src/engine/ir/build.ts'
import type { Attribute, Value } from '../../../src/engine/ir/graph.ts'
import { int64, scalar } from '../../../src/engine/ir/tensor.ts'
import { type Builder, buildModel } from '../../../test/kit/model.ts'

export const OPSETS = [11, 13, 15, 17, 18, 20] as const

/** A value of the graph without the samples' axis: [C, H, W], [T, C] or [C]. */
export interface State {
  value: Value
  dims: readonly number[]
}

export interface Random extends Builder {
  opset: number
  /** one of them */
  pick<T>(from: readonly T[]): T
  chance(of: number): boolean
  op(name: string, inputs: (Value | null)[], attributes?: Record<string, Attribute | number | number[]>): Value
  /** whole numbers as a constant */
  whole(values: readonly number[]): Value
  number(value: number): Value
  weights(shape: readonly number[]): Value
}

export function openRandom(seed: number): Random {
  const random = randomSource(seed * 7919 + 1)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const opset = pick(OPSETS)
  const builder = buildModel(opset, seed)
  let constants = 0
  const name = () => `c${constants++}`
  return {
    ...builder,
    opset,
    pick,
    chance: (of) => random() < of,
    op: (type, inputs, attributes = {}) =>
      builder.node(type, inputs, {
        attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, asAttribute(value)])),
      }),
    whole: (values) => builder.constant(name(), int64([values.length], [...values])),
    number: (value) => builder.constant(name(), scalar(value)),
    weights: (shape) => {
      const reads = shape.slice(1).reduce((a, b) => a * b, 1)
      return builder.weight(name(), shape, pick([0.5, 1, 2]) / Math.sqrt(Math.max(reads, 1)))
    },
  }
}

const asAttribute = (value: Attribute | number | number[]): Attribute => {
  if (Array.isArray(value)) return ints(value)
  if (typeof value !== 'number') return value
  return Number.isInteger(value) ? int(value) : float(value)
}
