/** What the table of lowerings says of one operator. */
import type { Node } from '../../ir/graph.ts'
import type { Example } from '../../ops/define.ts'
import type { OpName } from '../../ops/index.ts'
import type { Site } from '../site.ts'

export interface Lowering {
  /** writes the operators that compute the node. Throws model_not_convertible */
  lower: (site: Site) => void
  /** why attributes alone forbid it, or null */
  refuses?: (node: Node) => string | null
  /** reads its first input with channels last */
  channelsLast?: true
  /** the order of its first input is that of its output */
  keepsOrder?: true
  /** models of one operator that the tests run, in float and in integers; constants are what is so in ONNX: weights, biases, slopes */
  examples: readonly [Example, ...Example[]]
}

export type LoweringTable = { readonly [Name in OpName]?: Lowering }
