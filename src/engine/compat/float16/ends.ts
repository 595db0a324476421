/** Inputs and outputs of the model that stay float32, behind Casts. */
import { addNode, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import { freshName, type Graph, type Model, type Node, replaceUses, Value } from '../../ir/graph.ts'

export interface Ends {
  /** values that stay float32 */
  kept: ReadonlySet<Value>
  casts: ReadonlySet<Node>
}

/** Puts a Cast behind each kept input and before each kept output. What is no node's output stays as it is. */
export function castEnds(model: Model, keepIoTypes: boolean | readonly string[]): Ends {
  const { graph } = model
  const wanted = (value: Value) =>
    value.dtype === 'float32' && (typeof keepIoTypes === 'boolean' ? keepIoTypes : keepIoTypes.includes(value.name))
  const kept = new Set([...graph.inputs, ...graph.outputs].filter(wanted))
  const casts = new Set<Node>()
  graph.inputs.forEach((input, index) => {
    if (kept.has(input)) casts.add(castInput(model, input, index))
  })
  graph.outputs.forEach((output, index) => {
    if (kept.has(output) && output.producer) casts.add(castOutput(model, output, index))
  })
  return { kept, casts }
}

function castInput(model: Model, input: Value, index: number): Node {
  const half = new Value(freshName(model, `graph_input_cast_${index}`), 'float32', input.shape)
  readInstead(model.graph, input, half)
  return cast(model, input, half, `graph_input_cast${index}`, 'float16')
}

function castOutput(model: Model, output: Value, index: number): Node {
  const half = new Value(freshName(model, `graph_output_cast_${index}`), 'float32', output.shape)
  const { producer } = output
  readInstead(model.graph, output, half)
  producer!.setOutput(producer!.outputs.indexOf(output), half)
  return cast(model, half, output, `graph_output_cast${index}`, 'float32')
}

function cast(model: Model, from: Value, to: Value, name: string, dtype: 'float16' | 'float32'): Node {
  addNode(model, model.graph, 'Cast', [from], { name, outputs: [to], attributes: { to: int(codeOf(dtype)) } })
  return to.producer!
}

/** Every reader, and every body that gives the value out, takes the other; outputs of the model do not. */
function readInstead(graph: Graph, from: Value, to: Value): void {
  replaceUses(from, to)
  for (const node of graph.nodes) for (const body of node.subgraphs) giveOutInstead(body, from, to)
}

export function giveOutInstead(body: Graph, from: Value, to: Value): void {
  body.outputs.forEach((value, index) => {
    if (value === from) body.outputs[index] = to
  })
  for (const node of body.nodes) for (const inner of node.subgraphs) giveOutInstead(inner, from, to)
}
