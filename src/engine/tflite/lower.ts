/** Turns an ONNX graph, quantized or float, into a network of TensorFlow Lite. */
import { FewbitError } from '../../shared/errors.ts'
import { allGraphs, type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { isElementType } from './codes.ts'
import {
  bring,
  createEmitter,
  dequantized,
  emitReshape,
  fixedShape,
  newTensor,
  quantizedAs,
  refuse,
  type Stored,
} from './emitter.ts'
import { loweringOf } from './lowerings/index.ts'
import type { Border, Network } from './network.ts'
import { arrange, channelsLast, identity, type Order, sameOrder } from './order.ts'
import { integerForm, isDequantize, isQuantize, parametersOf, plainForm, type Scope, siteOf } from './site.ts'

export interface ConvertOptions {
  /** what goes in and comes out of a quantized model */
  io: 'int8' | 'float32'
  /** how pictures lie at the border */
  images: 'nhwc' | 'nchw'
}

/** Why no form of the node is known, from names and attributes alone; null where one may be. */
function reasonAgainst(node: Node): string | null {
  if (isQuantize(node) || isDequantize(node)) return null
  const lowering = loweringOf(node)
  return lowering ? (lowering.refuses?.(node) ?? null) : 'there is no lowering of this operator yet'
}

/** Operators and nodes that cannot be written, before anything is computed. Throws model_not_convertible with all of them. */
export function refuseUnconvertible(graph: Graph): void {
  const found = [...allGraphs(graph)].flatMap(({ nodes }) =>
    [...nodes].flatMap((node) => {
      const reason = reasonAgainst(node)
      return reason ? [{ node, reason }] : []
    }),
  )
  const [first] = found
  if (!first) return
  const operators = [...new Set(found.map(({ node }) => node.opType))]
  const shown = found.slice(0, MOST_SHOWN).map(({ node, reason }) => `"${node.name}" (${node.opType}): ${reason}`)
  throw new FewbitError(
    'model_not_convertible',
    `${found.length} nodes have no form in TensorFlow Lite (${operators.join(', ')}): ${shown.join('; ')}`,
    { stage: 'convert', param: '/format', hint: 'ask for the format onnx, or cut these nodes off the model' },
  )
}

const MOST_SHOWN = 10

/** Every value of `graph` must have a known type and a fixed shape. Throws model_not_convertible that names node or value. */
export function lowerGraph(graph: Graph, options: ConvertOptions): Network {
  refuseUnconvertible(graph)
  const emitter = createEmitter()
  for (const value of [...graph.inputs, ...graph.outputs]) emitter.names.add(value.name)
  const scope: Scope = { emitter, values: new Map(), written: new Map(), outputs: new Set(graph.outputs) }
  const inputs = graph.inputs.map((value) => inputBorder(scope, value, options))
  for (const node of sortedNodes(graph)) {
    emitter.origin = node.name
    if (isQuantize(node)) quantize(scope, node)
    else if (!isDequantize(node)) loweringOf(node)?.lower(siteOf(scope, node))
  }
  const outputs: Border[] = []
  for (const value of graph.outputs) outputs.push(outputBorder(scope, value, options, { inputs, outputs }))
  return { operators: emitter.operators, inputs, outputs }
}

/** What a QuantizeLinear makes of a value that no integer operator wrote with its parameters. */
function quantize(scope: Scope, node: Node): void {
  const [value, output] = [node.inputs[0], node.outputs[0]]
  if (!value || !output || scope.values.has(output)) return
  const { type, quantization } = parametersOf(node)
  const stored = scope.written.get(value) ?? integerForm(scope, value) ?? plainForm(scope, value)
  if (!stored) refuse(node, `its input "${value.name}" is ${value.dtype}`)
  const tensor = quantizedAs(scope.emitter, stored.tensor, type, quantization)
  scope.values.set(output, { ...stored, tensor })
}

function inputBorder(scope: Scope, value: Value, { io, images }: ConvertOptions): Border {
  const shape = fixedShape(value)
  const order = (images === 'nhwc' && demandedOrder(value)) || identity(shape.length)
  const quantizer = io === 'int8' ? [...value.consumers.keys()].find(isQuantize) : undefined
  const { type, quantization } = quantizer
    ? parametersOf(quantizer)
    : { type: value.dtype ?? 'float32', quantization: null }
  if (!isElementType(type))
    throw new FewbitError(
      'model_not_convertible',
      `input "${value.name}" is ${type}, which TensorFlow Lite does not have`,
      { stage: 'convert' },
    )
  const tensor = { name: value.name, type, shape: arrange(shape, order), data: null, quantization }
  const stored = { tensor, shape, order }
  const output = quantizer?.outputs[0]
  if (output) {
    scope.values.set(output, stored)
    scope.written.set(value, stored)
    const isFloatToo = [...value.consumers.keys()].some((node) => !isQuantize(node)) || scope.outputs.has(value)
    if (isFloatToo) scope.values.set(value, { ...stored, tensor: dequantized(scope.emitter, tensor) })
  } else scope.values.set(value, stored)
  return { name: value.name, tensor, shape, order }
}

/** The order in which the first demanding reader of a value wants it; null where none does. */
function demandedOrder(value: Value): Order | null {
  const rank = value.shape?.length ?? 0
  for (const node of value.consumers.keys()) {
    const order = demandOf(node, value, rank)
    if (order) return order
  }
  return null
}

function demandOf(node: Node, value: Value, rank: number): Order | null {
  const lowering = loweringOf(node)
  const [output] = node.outputs
  if (lowering?.channelsLast) return node.inputs[0] === value && rank > 2 ? channelsLast(rank) : null
  if (!output || output.shape?.length !== rank) return null
  if (node.opType === 'Transpose') {
    const perm = node.ints('perm') ?? [...identity(rank)].reverse()
    return demandedOrder(output)?.map((axis) => perm[axis] ?? axis) ?? null
  }
  return isQuantize(node) || isDequantize(node) || lowering?.keepsOrder ? demandedOrder(output) : null
}

function outputBorder(
  scope: Scope,
  value: Value,
  { io, images }: ConvertOptions,
  { inputs, outputs }: Pick<Network, 'inputs' | 'outputs'>,
): Border {
  const { emitter } = scope
  const shape = fixedShape(value)
  const stored = (io === 'int8' && integerForm(scope, value)) || plainForm(scope, value)
  if (!stored)
    throw new FewbitError('model_not_convertible', `output "${value.name}" is ${value.dtype}`, { stage: 'convert' })
  emitter.origin = value.name
  const order = orderOutside(stored, images)
  const tensor = bring(emitter, stored, order)
  const isTaken = tensor.data !== null || [...inputs, ...outputs].some((border) => border.tensor === tensor)
  if (!isTaken && isWritten(scope, tensor)) return { name: value.name, tensor: named(tensor, value.name), shape, order }
  const copy = newTensor(emitter, `${value.name}_output`, tensor)
  emitReshape(emitter, tensor, copy)
  return { name: value.name, tensor: named(copy, value.name), shape, order }
}

const isWritten = ({ emitter }: Scope, tensor: Border['tensor']): boolean =>
  emitter.operators.some(({ outputs }) => outputs.includes(tensor))

const orderOutside = ({ order, shape }: Stored, images: ConvertOptions['images']): Order => {
  const last = channelsLast(shape.length)
  return images === 'nhwc' && shape.length === 4 && sameOrder(order, last) ? last : identity(shape.length)
}

function named(tensor: Border['tensor'], name: string): Border['tensor'] {
  tensor.name = name
  return tensor
}
