/** The operator table: everything the engine knows of each operator, by name. */
import type { Node } from '../ir/graph.ts'
import { CONVOLUTION } from './convolution.ts'
import type { OpDef } from './define.ts'
import { LINEAR } from './linear.ts'
import { MOVEMENT } from './movement.ts'
import { NORMALIZATION } from './normalization.ts'
import { POINTWISE } from './pointwise.ts'
import { RECURRENT } from './recurrent.ts'

export const OPS: ReadonlyMap<string, OpDef> = new Map(
  [...CONVOLUTION, ...LINEAR, ...RECURRENT, ...POINTWISE, ...NORMALIZATION, ...MOVEMENT].map((def) => [def.name, def]),
)

/** The definition of a node's operator; undefined for operators that simply stay float. */
export const opOf = (node: Node): OpDef | undefined => (node.domain === '' ? OPS.get(node.opType) : undefined)
