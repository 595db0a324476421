/** Makes visible how large the values inside of If, Loop and Scan become: one more output tells the largest magnitude. */
import { addInitializer, addNode, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import { freshName, type Graph, type Model, type Node, Value } from '../../ir/graph.ts'
import { float32, int64 } from '../../ir/tensor.ts'

/** The node's new output as a scalar, by node; nothing for nodes without bodies. Changes the graph and its bodies. */
export function addBodyMagnitudes(model: Model, graph: Graph): Map<Node, Value> {
  const found = new Map<Node, Value>()
  for (const node of [...graph.nodes]) {
    if (node.subgraphs.length === 0) continue
    for (const body of node.subgraphs) body.outputs.push(largestIn(model, body))
    const output = new Value(freshName(model, `${node.name}_magnitude`), 'float32')
    node.addOutput(output)
    found.set(node, scalarOf(model, graph, output))
  }
  return found
}

function largestIn(model: Model, body: Graph): Value {
  const computed = [...body.inputs, ...[...body.nodes].flatMap(({ outputs }) => [...outputs])]
  const inner = [...addBodyMagnitudes(model, body).values()]
  const own = computed.flatMap((value) => (value ? (magnitudeOf(model, body, value) ?? []) : []))
  const zero = addInitializer(model, body, 'magnitude_of_nothing', float32([], [0]))
  return addNode(model, body, 'Max', [zero, ...own, ...inner], { output: 'magnitude' })
}

/** max |x| of a value as a float32 scalar; undefined for what is no float. */
export function magnitudeOf(model: Model, graph: Graph, value: Value): Value | undefined {
  const { dtype } = value
  if (dtype !== 'float32' && dtype !== 'float16') return undefined
  const toSingle = { attributes: { to: int(codeOf('float32')) } }
  const single = dtype === 'float16' ? addNode(model, graph, 'Cast', [value], toSingle) : value
  const absolute = addNode(model, graph, 'Abs', [single])
  return addNode(model, graph, 'ReduceMax', [absolute], {
    output: `${value.name}_magnitude`,
    attributes: { keepdims: int(0) },
  })
}

/** A Loop gives one number per round, and none where it has no rounds. */
function scalarOf(model: Model, graph: Graph, output: Value): Value {
  const flat = addNode(model, graph, 'Reshape', [output, addInitializer(model, graph, 'flat', int64([1], [-1]))])
  const nothing = addInitializer(model, graph, 'no_rounds', float32([1], [0]))
  const all = addNode(model, graph, 'Concat', [flat, nothing], { attributes: { axis: int(0) } })
  return addNode(model, graph, 'ReduceMax', [all], { attributes: { keepdims: int(0) } })
}
