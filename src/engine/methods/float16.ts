/** Half precision: float32 tensors become float16, operators that cannot are fenced by Casts, inputs and outputs keep their types unless asked otherwise. */
import { FewbitError } from '../../shared/errors.ts'
import { addInitializer, addNode, int } from '../ir/build.ts'
import { codeOf } from '../ir/dtype.ts'
import { toFloat16 } from '../ir/float16.ts'
import {
  capturedValues,
  freshName,
  type Graph,
  type Model,
  type Node,
  replaceUses,
  sortedNodes,
  Value,
} from '../ir/graph.ts'
import { type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { describeNode } from '../quant/describe.ts'
import { Float16Method } from '../recipe.ts'
import type { FloatTarget } from '../targets/target.ts'
import type { Method } from './method.ts'

const FLOAT32 = codeOf('float32')
const FLOAT16 = codeOf('float16')

interface Conversion {
  model: Model
  graph: Graph
  target: FloatTarget
  /** nodes that stay float32, with the reason */
  kept: Map<Node, string>
  /** values that were float32 and are float16 now */
  converted: Set<Value>
  /** the other-precision twin of a value */
  halves: Map<Value, Value>
  singles: Map<Value, Value>
}

export const float16Method: Method = async (input) => {
  const { keep_io_types } = Float16Method.parse(input.recipe.method)
  const { model } = input.prepared
  const target = input.target as FloatTarget
  const nodes = sortedNodes(model.graph)
  const kept = new Map(nodes.flatMap((node) => keepReason(node, target, input.excludes)))
  if (kept.size === nodes.length || !nodes.some(touchesFloat)) throw nothingToConvert()
  const plan = nodes.map((node) => describeNode(node, !kept.has(node), kept.get(node) ?? 'computes in float16'))
  const conversion: Conversion = {
    model,
    graph: model.graph,
    target,
    kept,
    converted: new Set(),
    halves: new Map(),
    singles: new Map(),
  }
  if (!keep_io_types) for (const value of model.graph.inputs.filter(isFloat)) halve(conversion, value)
  for (const node of nodes) if (!kept.has(node)) retype(conversion, node)
  for (const node of nodes) convertInputs(conversion, node)
  if (keep_io_types) restoreOutputs(conversion)
  input.progress('quantizing', 1, 1)
  return {
    model,
    plan: { target: input.target.id, method: 'float16', nodes: plan, values: [] },
    quantizedNodes: nodes.length - kept.size,
    macsInteger: 0,
    calibration: null,
    options: { type: 'float16', keep_io_types },
  }
}

const nothingToConvert = () =>
  new FewbitError(
    'nothing_to_quantize',
    'No operator of the model computes in float32, so there is nothing to convert to float16.',
    { stage: 'plan' },
  )

const isFloat = (value: Value | null): value is Value => value?.dtype === 'float32'
const touchesFloat = (node: Node): boolean => node.inputs.some(isFloat) || node.outputs.some(isFloat)

function keepReason(node: Node, target: FloatTarget, excludes: (node: Node) => string | null): [Node, string][] {
  const excluded = excludes(node)
  if (excluded) return [[node, excluded]]
  if (node.subgraphs.length > 0) return [[node, 'it holds subgraphs, which stay float32']]
  if (target.blocked.includes(node.opType)) return [[node, `${node.opType} has no float16 form on this target`]]
  return node.domain === '' ? [] : [[node, `operators of the domain ${node.domain} stay float32`]]
}

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
const DEFAULT_FLOAT = ['RandomNormal', 'RandomUniform']

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

function halfOf({ model, graph, halves }: Conversion, value: Value): Value {
  const known = halves.get(value)
  if (known) return known
  const half = value.tensor
    ? addInitializer(model, graph, `${value.name}_float16`, halfTensor(value.tensor))
    : cast(model, graph, value, FLOAT16, 'float16')
  halves.set(value, half)
  return half
}

function singleOf({ model, graph, singles }: Conversion, value: Value): Value {
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
