/** Puts one branch of an If in its place. */
import { addNode } from '../ir/build.ts'
import { dropSubgraphs, freshName, type Graph, type Model, type Node, replaceUses, type Value } from '../ir/graph.ts'

/** The branch of an If node of the main graph that a condition takes, or null for a malformed node. */
export function branchOf(node: Node, condition: boolean): Graph | null {
  const attribute = node.attributes.get(condition ? 'then_branch' : 'else_branch')
  const isBranch = attribute?.kind === 'graph' && attribute.value.outputs.length === node.outputs.length
  return isBranch ? attribute.value : null
}

/** Moves the nodes of `branch` into the main graph; what the If gave, its values give from here on, by the same names. */
export function inlineBranch(model: Model, node: Node, branch: Graph): void {
  const { graph } = model
  const outputs = [...node.outputs]
  const taken = namesIn(graph)
  for (const [name, attribute] of node.attributes)
    if (attribute.kind === 'graph' && attribute.value === branch) node.attributes.delete(name)
  dropSubgraphs(node)
  graph.removeNode(node)
  for (const value of valuesOf(branch)) {
    if (taken.has(value.name)) value.name = freshName(model, value.name)
    model.names.add(value.name)
  }
  for (const value of branch.initializers) graph.addInitializer(value)
  for (const inner of branch.nodes) {
    if (taken.has(nodeKey(inner))) inner.name = freshName(model, inner.name)
    model.names.add(inner.name)
    graph.addNode(inner)
  }
  outputs.forEach((output, index) => {
    if (output) deliver(model, branch, branch.outputs[index]!, output)
  })
}

/** `output` takes the place of `value`, which a node of the branch makes; a constant, or a value from outside, is copied. */
function deliver(model: Model, branch: Graph, value: Value, output: Value): void {
  const { graph } = model
  const { producer } = value
  const isGraphOutput = graph.outputs.includes(output)
  if (!isGraphOutput) {
    replaceUses(output, value)
    return
  }
  if (!producer || !branch.nodes.has(producer) || graph.outputs.includes(value)) {
    addNode(model, graph, 'Identity', [value], { outputs: [output] })
    return
  }
  producer.setOutput(producer.outputs.indexOf(value), output)
  replaceUses(value, output)
  for (const [index, other] of branch.outputs.entries()) if (other === value) branch.outputs[index] = output
}

/** Names of nodes are a world of their own. */
const nodeKey = ({ name }: Node): string => `node ${name}`

const valuesOf = ({ initializers, nodes }: Graph): Value[] => [
  ...initializers,
  ...[...nodes].flatMap(({ outputs }) =>
    outputs.filter((value): value is Value => value !== null && value.name !== ''),
  ),
]

function namesIn(graph: Graph): Set<string> {
  const values = [...graph.inputs, ...valuesOf(graph)]
  return new Set([...values.map(({ name }) => name), ...[...graph.nodes].map(nodeKey)])
}
