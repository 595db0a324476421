/** Weights that several nodes read are quantized for all of them or for none: a copy in float would stay in the file beside the integers. */
import type { Model, Node, Value } from '../ir/graph.ts'
import { elementCount } from '../ir/tensor.ts'
import { transposedTwins } from '../passes/share-transposed.ts'

/** a copy of fewer elements does no harm */
const SMALLEST = 1024

export interface Judged {
  node: Node
  /** why the node keeps its weights, or null */
  reason: string | null
}

/** Inputs of a node that its rewrite replaces. */
type Weights = (node: Node) => readonly number[]

/** Writes a reason to every node whose weight another one needs in float. Returns the tables that products read too, in either orientation. */
export function decideTogether(model: Model, judged: readonly Judged[], weightsOf: Weights): Set<Value> {
  const twins = new Map(transposedTwins(model).flatMap(([a, b]) => [[a, b] as const, [b, a] as const]))
  const forms = (value: Value): Value[] => [value, ...(twins.has(value) ? [twins.get(value)!] : [])]
  const rows = new Map(judged.map((row) => [row.node, row]))
  const quantizes = (node: Node, value: Value) =>
    rows.get(node)?.reason === null && node.inputs.every((input, i) => input !== value || weightsOf(node).includes(i))
  for (let changed = true; changed; ) {
    changed = false
    for (const row of rows.values()) {
      const reason = row.reason === null ? conflict(row.node) : null
      if (reason === null) continue
      row.reason = reason
      changed = true
    }
  }
  return tablesIn([...rows.values()], forms)

  function conflict(node: Node): string | null {
    for (const value of weightsOf(node).flatMap((i) => (node.inputs[i] ? forms(node.inputs[i]) : []))) {
      if (elementCount(value.tensor?.shape ?? []) < SMALLEST) continue
      if (model.graph.outputs.includes(value)) return `its weight "${value.name}" is an output of the model`
      const other = [...value.consumers.keys()].find((reader) => !quantizes(reader, value))
      if (other) return `its weight "${value.name}" is needed in float by "${other.name}" (${other.opType}) as well`
    }
    return null
  }
}

function tablesIn(rows: readonly Judged[], forms: (value: Value) => Value[]): Set<Value> {
  const chosen = rows.filter(({ reason }) => reason === null)
  const tables = chosen.flatMap(({ node }) => (node.opType === 'Gather' && node.inputs[0] ? [node.inputs[0]] : []))
  const isShared = (value: Value) =>
    forms(value).some(({ consumers }) => [...consumers.keys()].some(({ opType }) => opType !== 'Gather'))
  return new Set(tables.filter(isShared).flatMap(forms))
}
