/**
 * What computes nothing but shapes, sizes, scales of images, lengths or indices. A rounding there is no noise: it gives results of another
 * size, or other elements, so that it stays float for every method and target.
 */
import { type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { isSteering, onlyConverts } from '../ops/steering.ts'

/** The reason in plans. */
export const STEERS = 'it computes nothing but shapes, sizes, lengths or indices'

/** Whether a value of a typed graph holds numbers with a fraction. */
export const isFloatValue = ({ dtype }: Value): boolean => dtype !== undefined && /float|double/.test(dtype)

/** Such nodes of one graph. What picks places by comparing numbers (ArgMax, TopK) reads data: what is in front of it is not among them. */
export function steeringNodes(graph: Graph, isFloat: (value: Value) => boolean): Set<Node> {
  const found = new Set<Node>()
  const outputs = new Set(graph.outputs)
  const isSteered = (value: Value): boolean =>
    !outputs.has(value) &&
    value.consumers.size > 0 &&
    [...value.consumers.keys()].every((reader) => found.has(reader) || readsAsSteering(reader, value))
  for (const node of sortedNodes(graph).toReversed()) {
    const written = node.outputs.filter((value) => value !== null)
    if (written.length > 0 && !choosesPlaces(node, isFloat) && written.every(isSteered)) found.add(node)
  }
  return found
}

const readsAsSteering = (reader: Node, value: Value): boolean =>
  reader.inputs.includes(value) && reader.inputs.every((input, index) => input !== value || isSteering(reader, index))

const choosesPlaces = (node: Node, isFloat: (value: Value) => boolean): boolean =>
  !onlyConverts(node) &&
  node.inputs.some((value) => value && isFloat(value)) &&
  node.outputs.some((value) => value && !isFloat(value))
