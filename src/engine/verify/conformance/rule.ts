/** A rule of a target, as it is checked on the written model. */
import type { Node } from '../../ir/graph.ts'
import type { IntegerTarget } from '../../targets/target.ts'

export interface Rule {
  /** field of the target's document */
  name: string
  /** what is wrong, or null */
  check: (node: Node, target: IntegerTarget) => string | null
}
