/** The operator table: everything the engine knows of each operator, by name. */
import type { Node } from '../ir/graph.ts'
import { ACTIVATION } from './activation.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { CONVOLUTION } from './convolution.ts'
import type { IntegerOp, OpDef, OpTable } from './define.ts'
import { INDEXING } from './indexing.ts'
import { LINEAR } from './linear.ts'
import { MOVEMENT } from './movement.ts'
import { NORMALIZATION } from './normalization.ts'
import { POOLING } from './pooling.ts'
import { RECURRENT } from './recurrent.ts'
import { REDUCTION } from './reduction.ts'
import { RESAMPLING } from './resampling.ts'
import { TYPES } from './types.ts'

export const OPS = {
  ...CONVOLUTION,
  ...LINEAR,
  ...RECURRENT,
  ...ACTIVATION,
  ...ARITHMETIC,
  ...POOLING,
  ...REDUCTION,
  ...NORMALIZATION,
  ...MOVEMENT,
  ...INDEXING,
  ...RESAMPLING,
  ...TYPES,
} as const satisfies OpTable

export type OpName = keyof typeof OPS

/** The names of the operators that can compute in integers. */
export type IntegerOpName = {
  [Name in OpName]: (typeof OPS)[Name] extends IntegerOp ? Name : never
}[OpName]

const byName: ReadonlyMap<string, OpDef> = new Map(Object.entries(OPS))

/** The definition of a node's operator; undefined for operators of which the engine knows nothing. */
export const opOf = ({ domain, opType }: Node): OpDef | undefined => byName.get(domain ? `${domain}:${opType}` : opType)

const isInteger = (def: OpDef | undefined): def is IntegerOp => def?.quant !== undefined

/** Those of some names that are no operator with integers. */
export const unknownOperators = (names: readonly string[]): string[] =>
  names.filter((name) => !isInteger(byName.get(name)))

/** The definition of a node's operator if it can compute in integers. */
export function integerOpOf(node: Node): IntegerOp | undefined {
  const def = opOf(node)
  return isInteger(def) ? def : undefined
}
