/** Puts an operator that works along the last axis between transpositions that bring another axis there. */
import { addNode, ints, type NodeOptions, replaceNode } from '../ir/build.ts'
import { type Dim, freshName, type Graph, type Model, type Node, Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'

interface Place {
  model: Model
  graph: Graph
  /** is replaced */
  node: Node
  /** of the first input, not negative */
  axis: number
  shape: readonly Dim[]
}

/** Writes the operator, whose first input is `x` and whose result has the shape of x, where the node was. */
export function alongAxis(
  { model, graph, node, axis, shape }: Place,
  opType: Operator,
  [x, ...constants]: readonly [Value, ...Value[]],
  options: Pick<NodeOptions, 'attributes'>,
): void {
  const last = shape.length - 1
  if (axis === last) {
    replaceNode(model, graph, node, opType, [x, ...constants], options)
    return
  }
  const others = shape.map((_, i) => i).filter((i) => i !== axis)
  const there = [...others, axis]
  const back = shape.map((_, i) => there.indexOf(i))
  const moved = { dtype: x.dtype, shape: there.map((i) => shape[i] ?? null) }
  const name = node.name || opType
  const first = addNode(model, graph, 'Transpose', [x], { name: `${name}_there`, attributes: { perm: ints(there) } })
  const result = new Value(freshName(model, `${name}_moved`), x.dtype, moved.shape)
  const outputs = node.outputs.filter((output) => output !== null)
  replaceNode(model, graph, node, opType, [Object.assign(first, moved), ...constants], {
    ...options,
    outputs: [result],
  })
  addNode(model, graph, 'Transpose', [result], { name: `${name}_back`, attributes: { perm: ints(back) }, outputs })
}
