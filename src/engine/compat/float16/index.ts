/** Half precision exactly as onnxruntime.transformers.float16 1.30 writes it: the same Casts, names and constants. */
import { type Graph, kept, type Model, type Node, type Value } from '../../ir/graph.ts'
import { opsetOf } from '../opset.ts'
import { halfOf, halveAttributes } from './attributes.ts'
import { createCasts } from './casts.ts'
import { castEnds, type Ends } from './ends.ts'
import { alwaysFloatInputs, type Float16Options, withFloat16Defaults } from './options.ts'
import { halveSequences } from './sequences.ts'

/** A graph that is converted; bodies of blocked nodes are not. */
interface Place {
  graph: Graph
  node: Node
  blocked: boolean
}

/**
 * Changes the model, whose values are typed. Source: convert_float_to_float16 of onnxruntime.transformers.float16 1.30, but for files that
 * it writes and ONNX Runtime refuses: a value that several blocked nodes read is cast once, and what a body needs is cast in that body.
 */
export function convertToFloat16LikeOrt(model: Model, given: Partial<Float16Options> = {}): void {
  const options = withFloat16Defaults(given)
  const ends = castEnds(model, options.keepIoTypes)
  const places = placesOf(model.graph, options).filter(({ node }) => !ends.casts.has(node))
  const graphs = new Set([model.graph, ...places.map(({ graph }) => graph)])
  const floatInputs = alwaysFloatInputs(opsetOf(model))
  const staysFloat = ({ node, blocked }: Place, index: number) =>
    blocked || (floatInputs[node.opType]?.includes(index) ?? false)
  const converted = new Set<Value>()
  for (const value of constantsToConvert(graphs, ends, places, staysFloat, options)) {
    value.tensor = kept(model, halfOf(value.tensor!, options))
    converted.add(value)
  }
  for (const value of computedIn(graphs)) if (value.dtype === 'float32' && !ends.kept.has(value)) converted.add(value)
  for (const value of converted) value.dtype = 'float16'
  for (const graph of graphs) halveSequences(graph)
  for (const { node, blocked } of places) if (!blocked && !(node.opType in floatInputs)) halveAttributes(node, options)
  const casts = createCasts(model, converted)
  for (const place of places) {
    if (!place.blocked) casts.toSingle(place.graph, place.node, (index) => staysFloat(place, index))
  }
  for (const { graph, node, blocked } of places) if (blocked) casts.around(graph, node)
}

function placesOf(graph: Graph, options: Float16Options): Place[] {
  return [...graph.nodes].flatMap((node) => {
    const blocked = options.blockedOperators.includes(node.opType) || options.blockedNodes.includes(node.name)
    const inner = blocked ? [] : node.subgraphs.flatMap((body) => placesOf(body, options))
    return [{ graph, node, blocked }, ...inner]
  })
}

/** Constants that some node reads in half precision, or all. */
function constantsToConvert(
  graphs: ReadonlySet<Graph>,
  ends: Ends,
  places: readonly Place[],
  staysFloat: (place: Place, index: number) => boolean,
  { forceInitializers }: Float16Options,
): Value[] {
  const wanted = new Set<Value>()
  for (const { outputs } of graphs) for (const value of outputs) if (!ends.kept.has(value)) wanted.add(value)
  for (const place of places)
    for (const [index, value] of place.node.inputs.entries()) if (value && !staysFloat(place, index)) wanted.add(value)
  const constants = [...graphs].flatMap(({ initializers }) => [...initializers])
  return constants.filter((value) => value.tensor?.dtype === 'float32' && (forceInitializers || wanted.has(value)))
}

const computedIn = (graphs: ReadonlySet<Graph>): Value[] =>
  [...graphs].flatMap(({ inputs, nodes }) => [
    ...inputs,
    ...[...nodes].flatMap(({ outputs }) => outputs.filter((value) => value !== null)),
  ])
