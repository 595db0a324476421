/** Short ways to add nodes and constants to a graph. */

import { type Attribute, freshName, type Graph, kept, type Model, Node, Value } from './graph.ts'
import { at } from './list.ts'
import type { Operator } from './operators.ts'
import type { Tensor } from './tensor.ts'

export interface NodeOptions {
  domain?: string
  /** base of the node's name; default: the operator */
  name?: string
  attributes?: Record<string, Attribute>
  /** existing values that become the outputs; default: one fresh value */
  outputs?: readonly Value[]
  /** base of the fresh output's name */
  output?: string
}

/** Adds a node and returns its first output. Names are made unique in the model. */
export function addNode(
  model: Model,
  graph: Graph,
  opType: Operator,
  inputs: readonly (Value | null)[],
  options: NodeOptions = {},
): Value {
  const name = freshName(model, options.name ?? opType)
  const outputs = options.outputs ?? [new Value(freshName(model, options.output ?? `${name}_output`))]
  const attributes = new Map(Object.entries(options.attributes ?? {}))
  graph.addNode(new Node(name, opType, options.domain ?? '', inputs, outputs, attributes))
  return at(outputs, 0)
}

/** Puts another node, of the same name, where one was; it writes the same values unless `options` name others. Returns its first output. */
export function replaceNode(
  model: Model,
  graph: Graph,
  node: Node,
  opType: Operator,
  inputs: readonly (Value | null)[],
  options: Omit<NodeOptions, 'name'> = {},
): Value {
  const { name } = node
  const outputs = node.outputs.filter((output) => output !== null)
  graph.removeNode(node)
  model.names.delete(name)
  return addNode(model, graph, opType, inputs, { outputs, ...options, name: name || opType })
}

/** Adds a constant and returns its value. */
export function addInitializer(model: Model, graph: Graph, base: string, tensor: Tensor): Value {
  return graph.addInitializer(new Value(freshName(model, base), tensor.dtype, tensor.shape, kept(model, tensor)))
}

export const int = (value: number): Attribute => ({ kind: 'int', value })
export const float = (value: number): Attribute => ({ kind: 'float', value })
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value })
export const string = (value: string): Attribute => ({ kind: 'string', value })
