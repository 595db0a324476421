/** Writes a model in half precision: float32 tensors become float16, what stays float32 is fenced by Casts. */

import { addInitializer, addNode, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import { toFloat16 } from '../../ir/float16.ts'
import {
  allGraphs,
  capturedValues,
  freshName,
  type Graph,
  type Model,
  type Node,
  replaceUses,
  sortedNodes,
  Value,
} from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { elementCount, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import type { FloatTarget } from '../../targets/target.ts'

const FLOAT32 = codeOf('float32')
const FLOAT16 = codeOf('float16')

/** One graph on its way: the main one, or the body of an If, a Loop or a Scan. */
interface Conversion {
  model: Model
  graph: Graph
  /** of the graph around it */
  outer: Conversion | null
  /** values that this graph has itself */
  own: ReadonlySet<Value>
  target: FloatTarget
  /** nodes that stay float32 */
  kept: ReadonlySet<Node>
  /** values that were float32 and are float16 now, in any graph */
  converted: Set<Value>
  /** the other-precision twin of a value, in this graph */
  halves: Map<Value, Value>
  singles: Map<Value, Value>
}

/** Constants of subgraphs below this many elements are not worth a Cast. */
const SMALLEST_STORED = 64

export const isFloat = (value: Value | null): value is Value => value?.dtype === 'float32'

/**
 * Changes the model. `kept`: nodes that stay float32, those inside of bodies included, and with a node that has bodies all of them;
 * `keepIoTypes`: inputs and outputs stay float32 too.
 */
export function convertToFloat16(
  model: Model,
  target: FloatTarget,
  kept: ReadonlySet<Node>,
  keepIoTypes: boolean,
): void {
  const conversion = conversionOf({ model, target, kept, converted: new Set() }, model.graph, null)
  if (!keepIoTypes) for (const value of model.graph.inputs.filter(isFloat)) halve(conversion, value)
  convertNodes(conversion)
  if (keepIoTypes) restoreOutputs(conversion)
}

const conversionOf = (
  shared: Pick<Conversion, 'model' | 'target' | 'kept' | 'converted'>,
  graph: Graph,
  outer: Conversion | null,
): Conversion => ({ ...shared, graph, outer, own: valuesOf(graph), halves: new Map(), singles: new Map() })

const valuesOf = ({ inputs, initializers, nodes }: Graph): Set<Value> =>
  new Set([
    ...inputs,
    ...initializers,
    ...[...nodes].flatMap(({ outputs }) => outputs.filter((value) => value !== null)),
  ])

function convertNodes(conversion: Conversion): void {
  const nodes = sortedNodes(conversion.graph)
  for (const node of nodes) if (!conversion.kept.has(node)) retype(conversion, node)
  for (const node of nodes) convertInputs(conversion, node)
  for (const node of nodes) for (const body of node.subgraphs) convertBody(conversion, node, body)
}

/** What a body is given and what it gives is float16 as outside. */
function convertBody(outer: Conversion, node: Node, body: Graph): void {
  if (outer.kept.has(node)) {
    for (const graph of allGraphs(body)) storeHalves(outer.model, graph)
    return
  }
  const conversion = conversionOf(outer, body, outer)
  for (const value of body.inputs.filter(isFloat)) halve(conversion, value)
  convertNodes(conversion)
  body.outputs.forEach((value, index) => {
    if (isFloat(value)) body.outputs[index] = halfOf(conversion, value)
  })
}

/** A subgraph that computes in float32 keeps its constants in half the bytes. */
function storeHalves(model: Model, graph: Graph): void {
  for (const value of [...graph.initializers]) {
    const { tensor } = value
    if (tensor?.dtype !== 'float32' || elementCount(tensor.shape) < SMALLEST_STORED || !fitsHalf(tensor)) continue
    const half = addInitializer(model, graph, `${value.name}_float16`, halfTensor(tensor))
    graph.initializers.delete(value)
    value.tensor = undefined
    addNode(model, graph, 'Cast', [half], {
      name: `${value.name}_to_float32`,
      outputs: [value],
      attributes: { to: int(FLOAT32) },
    })
  }
}

/** largest float16 */
export const LARGEST_HALF = 65504

/** Whether no element of a float32 tensor overflows. */
export const fitsHalf = (tensor: Tensor): boolean =>
  view(tensor, 'float32').every((x) => Math.abs(x) <= LARGEST_HALF || !Number.isFinite(x))

/** Marks the float32 outputs as float16 and patches attributes that name a type. */
function retype(conversion: Conversion, node: Node): void {
  const { graph } = conversion
  for (const value of node.outputs) if (isFloat(value)) halve(conversion, value)
  for (const name of ['to', 'dtype', 'output_dtype']) {
    if (node.int(name) === FLOAT32) node.attributes.set(name, int(FLOAT16))
  }
  const makesFloat = node.outputs[0]?.dtype === 'float16' && graph.nodes.has(node)
  if (makesFloat && DEFAULT_FLOAT.includes(node.opType) && node.int('dtype') === undefined)
    node.attributes.set('dtype', int(FLOAT16))
  const content = node.tensor('value')
  if (content?.dtype === 'float32') node.attributes.set('value', { kind: 'tensor', value: halfTensor(content) })
  else if (makesFloat && node.opType === 'ConstantOfShape' && !content)
    node.attributes.set('value', { kind: 'tensor', value: tensorOf('float16', [1], Uint16Array.of(0)) })
}

function halve({ converted }: Conversion, value: Value): void {
  value.dtype = 'float16'
  converted.add(value)
}

/** operators whose output is float32 unless an attribute says otherwise */
const DEFAULT_FLOAT: readonly Operator[] = ['RandomNormal', 'RandomUniform']

const halfTensor = (tensor: Tensor): Tensor => tensorOf('float16', tensor.shape, toFloat16(view(tensor, 'float32')))

function convertInputs(conversion: Conversion, node: Node): void {
  if (conversion.kept.has(node)) {
    node.inputs.forEach((value, index) => {
      if (value && conversion.converted.has(value)) node.setInput(index, singleOf(conversion, value))
    })
    restoreCaptures(conversion, node)
    return
  }
  const floatInputs = conversion.target.float_inputs[node.opType] ?? []
  node.inputs.forEach((value, index) => {
    if (floatInputs.includes(index)) {
      if (value && conversion.converted.has(value)) node.setInput(index, singleOf(conversion, value))
    } else if (isFloat(value)) node.setInput(index, halfOf(conversion, value))
  })
}

/** What comes from outside is converted there, once for all bodies. */
function halfOf(conversion: Conversion, value: Value): Value {
  const { model, graph, outer, own, halves } = conversion
  if (outer && !own.has(value)) return halfOf(outer, value)
  const known = halves.get(value)
  if (known) return known
  const half = value.tensor
    ? addInitializer(model, graph, `${value.name}_float16`, halfTensor(value.tensor))
    : cast(model, graph, value, FLOAT16, 'float16')
  halves.set(value, half)
  return half
}

function singleOf(conversion: Conversion, value: Value): Value {
  const { model, graph, outer, own, singles } = conversion
  if (outer && !own.has(value)) return singleOf(outer, value)
  const known = singles.get(value) ?? cast(model, graph, value, FLOAT32, 'float32')
  singles.set(value, known)
  return known
}

function cast(model: Model, graph: Graph, value: Value, to: number, dtype: 'float16' | 'float32'): Value {
  const output = addNode(model, graph, 'Cast', [value], {
    name: `${value.name}_to_${dtype}`,
    output: `${value.name}_${dtype}`,
    attributes: { to: int(to) },
  })
  output.dtype = dtype
  output.shape = value.shape
  return output
}

/** Subgraphs stay float32, so what they read from outside must be float32 too. */
function restoreCaptures(conversion: Conversion, node: Node): void {
  for (const value of capturedValues(node)) {
    if (!conversion.converted.has(value)) continue
    const single = singleOf(conversion, value)
    for (const graph of node.subgraphs) replaceInside(graph, value, single)
  }
}

function replaceInside(graph: Graph, from: Value, to: Value): void {
  graph.outputs.forEach((value, index) => {
    if (value === from) graph.outputs[index] = to
  })
  for (const node of graph.nodes) {
    node.inputs.forEach((value, index) => {
      if (value === from) node.setInput(index, to)
    })
    for (const inner of node.subgraphs) replaceInside(inner, from, to)
  }
}

/** Public outputs that became float16 are cast back under their own names. */
function restoreOutputs(conversion: Conversion): void {
  const { model, graph } = conversion
  for (const value of new Set(graph.outputs)) {
    const producer = value.producer
    if (!producer || !conversion.converted.has(value)) continue
    const half = new Value(freshName(model, `${value.name}_float16`), 'float16', value.shape)
    replaceUses(value, half)
    producer.setOutput(producer.outputs.indexOf(value), half)
    value.dtype = 'float32'
    addNode(model, graph, 'Cast', [half], {
      name: `${value.name}_to_float32`,
      outputs: [value],
      attributes: { to: int(FLOAT32) },
    })
  }
}
