/** Writes the nodes that take the place of one node. */
import { addInitializer, addNode, replaceNode } from '../../ir/build.ts'
import type { Attribute, Graph, Model, Node, Value } from '../../ir/graph.ts'
import { float32, int64 } from '../../ir/tensor.ts'

export interface Writer {
  node: Node
  opset: number
  /** a node in front of the last one; returns what it writes */
  step(opType: string, inputs: readonly (Value | null)[], attributes?: Record<string, Attribute>): Value
  /** the node that writes the first result of the replaced one */
  last(opType: string, inputs: readonly (Value | null)[], attributes?: Record<string, Attribute>): void
  number(name: string, value: number): Value
  floats(name: string, values: Float32Array): Value
  ints(name: string, values: readonly number[]): Value
}

/** A writer in the place of `node`, whose other results must be read by nobody. */
export function writerAt(model: Model, graph: Graph, node: Node): Writer {
  const base = node.name || node.opType
  return {
    node,
    opset: model.opsets.get('') ?? 0,
    step: (opType, inputs, attributes = {}) =>
      addNode(model, graph, opType, inputs, { name: `${base}_${opType}`, attributes }),
    last(opType, inputs, attributes = {}) {
      replaceNode(model, graph, node, opType, inputs, { attributes, outputs: [node.outputs[0]!] })
    },
    number: (name, value) => addInitializer(model, graph, `${base}_${name}`, float32([], [value])),
    floats: (name, values) => addInitializer(model, graph, `${base}_${name}`, float32([values.length], values)),
    ints: (name, values) => addInitializer(model, graph, `${base}_${name}`, int64([values.length], values)),
  }
}
