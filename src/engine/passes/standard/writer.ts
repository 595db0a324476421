/** Writes the nodes that take the place of one node. */

import { addInitializer, addNode } from '../../ir/build.ts'
import type { Attribute, Graph, Model, Node, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { float32, int64 } from '../../ir/tensor.ts'

export interface Writer {
  node: Node
  opset: number
  /** adds a node, and returns what it writes */
  step(opType: Operator, inputs: readonly (Value | null)[], attributes?: Record<string, Attribute>): Value
  number(name: string, value: number): Value
  floats(name: string, values: Float32Array): Value
  ints(name: string, values: readonly number[]): Value
}

/** What a node is written as: what stands for each of its outputs, the first one at least; null where it stays. */
export type Rewrite = (writer: Writer) => readonly [Value, ...(Value | undefined)[]] | null

export function writerAt(model: Model, graph: Graph, node: Node): Writer {
  const base = node.name || node.opType
  return {
    node,
    opset: model.opsets.get('') ?? 0,
    step: (opType, inputs, attributes = {}) =>
      addNode(model, graph, opType, inputs, { name: `${base}_${opType}`, attributes }),
    number: (name, value) => addInitializer(model, graph, `${base}_${name}`, float32([], [value])),
    floats: (name, values) => addInitializer(model, graph, `${base}_${name}`, float32([values.length], values)),
    ints: (name, values) => addInitializer(model, graph, `${base}_${name}`, int64([values.length], values)),
  }
}
