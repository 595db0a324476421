/** Casts around what computes in float32 among values in float16. */
import { addNode, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import { capturedValues, freshName, type Graph, type Model, type Node, Value } from '../../ir/graph.ts'
import { giveOutInstead } from './ends.ts'

export interface Casts {
  /** Gives a node in this graph the chosen inputs, where they are float16, in float32. */
  toSingle(graph: Graph, node: Node, chosen: (index: number) => boolean): void
  /** Fences a node that computes in float32: its inputs, what its bodies read, and its outputs. */
  around(graph: Graph, node: Node): void
}

/** `converted`: values that were float32 and are float16 now. */
export function createCasts(model: Model, converted: ReadonlySet<Value>): Casts {
  const known = new Map<Graph, Map<Value, Value>>()
  const singleOf = (graph: Graph, value: Value): Value => {
    const here = known.get(graph) ?? new Map<Value, Value>()
    known.set(graph, here)
    const single = here.get(value) ?? castBefore(model, graph, value)
    here.set(value, single)
    return single
  }
  const toSingle: Casts['toSingle'] = (graph, node, chosen) =>
    node.inputs.forEach((value, index) => {
      if (value && converted.has(value) && chosen(index)) node.setInput(index, singleOf(graph, value))
    })
  return {
    toSingle,
    around(graph, node) {
      toSingle(graph, node, () => true)
      for (const value of capturedValues(node)) {
        if (!converted.has(value)) continue
        const single = singleOf(graph, value)
        for (const body of node.subgraphs) readInside(body, value, single)
      }
      node.outputs.forEach((value, index) => {
        if (value && converted.has(value)) castBehind(model, graph, node, index, value)
      })
    },
  }
}

function castBefore(model: Model, graph: Graph, value: Value): Value {
  const single = addNode(model, graph, 'Cast', [value], {
    name: `${value.name}_cast_to_fp32_node`,
    output: `${value.name}_cast_to_fp32`,
    attributes: { to: int(codeOf('float32')) },
  })
  single.dtype = 'float32'
  single.shape = value.shape
  return single
}

function castBehind(model: Model, graph: Graph, node: Node, index: number, value: Value): void {
  const single = new Value(freshName(model, `${value.name}_cast_to_fp16`), 'float32', value.shape)
  node.setOutput(index, single)
  addNode(model, graph, 'Cast', [single], {
    name: `${value.name}_cast_to_fp16_node`,
    outputs: [value],
    attributes: { to: int(codeOf('float16')) },
  })
}

function readInside(body: Graph, from: Value, to: Value): void {
  giveOutInstead(body, from, to)
  for (const node of body.nodes) {
    node.inputs.forEach((value, index) => {
      if (value === from) node.setInput(index, to)
    })
    for (const inner of node.subgraphs) readInside(inner, from, to)
  }
}
