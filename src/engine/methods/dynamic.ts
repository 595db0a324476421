/**
 * Dynamic quantization: weights are int8, activations become uint8 at run time from their own range.
 * MatMul and Gemm turn into DynamicQuantizeLinear → MatMulInteger → Cast → Mul; ONNX Runtime fuses these into one kernel.
 */
import { FewbitError } from '../../shared/errors.ts'
import { addInitializer, addNode, int } from '../ir/build.ts'
import { allGraphs, freshName, type Graph, type Model, Node, sortedNodes, Value } from '../ir/graph.ts'
import { elementCount, float32, scalar, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { describeNode } from '../quant/describe.ts'
import { quantizePerChannel, quantizeTensor, scaleZeroPointOf } from '../quant/math.ts'
import { DynamicMethod } from '../recipe.ts'
import { compatDynamic } from './compat.ts'
import type { Method } from './method.ts'
import { shareOfMacs } from './static.ts'

const FLOAT32_CODE = 1
const SMALLEST_TABLE = 1024

interface DynamicContext {
  model: Model
  perChannel: boolean
  domain: string
  /** activations that are quantized already: [integers, scale, zero point] */
  activations: Map<Value, readonly [Value, Value, Value]>
  weights: Map<string, QuantizedWeight>
}

interface QuantizedWeight {
  integers: Value
  scale: Value
  zeroPoint: Value
}

export const dynamicMethod: Method = async (input) => {
  const options = DynamicMethod.parse(input.recipe.method)
  if (options.compat) return compatDynamic(input, options)
  const { per_channel } = options
  const { model, quantizeDomain } = input.prepared
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => sortedNodes(graph).map((node) => ({ graph, node })))
  const judged = nodes.map(({ graph, node }) => ({ graph, node, reason: input.excludes(node) ?? refusal(node) }))
  const chosen = judged.filter(({ reason }) => reason === null)
  if (chosen.length === 0) throw nothingToQuantize()
  const macs = shareOfMacs([...model.graph.nodes], new Set(chosen.map(({ node }) => node)))
  const plan = judged.map(({ node, reason }) =>
    describeNode(node, reason === null, reason ?? 'int8 weights, activations quantized at run time'),
  )
  const context: DynamicContext = {
    model,
    perChannel: per_channel,
    domain: quantizeDomain,
    activations: new Map(),
    weights: new Map(),
  }
  for (const { graph, node } of chosen) rewrite(context, graph, node)
  input.progress('quantizing', 1, 1)
  return {
    model,
    plan: { target: input.target.id, method: 'dynamic', nodes: plan, values: [] },
    quantizedNodes: chosen.length,
    macsInteger: macs,
    calibration: null,
    options: { type: 'dynamic', per_channel },
  }
}

const nothingToQuantize = () =>
  new FewbitError(
    'nothing_to_quantize',
    'The model has no MatMul, Gemm or Gather with a float32 constant, so dynamic quantization has nothing to do.',
    {
      stage: 'plan',
      hint: 'use the method static for convolutional networks',
    },
  )

const floatConstant = (value: Value | null | undefined): Tensor | undefined =>
  value?.tensor?.dtype === 'float32' ? value.tensor : undefined

/** Why a node stays float, or null. */
function refusal(node: Node): string | null {
  if (node.domain !== '' || !Object.hasOwn(REWRITES, node.opType))
    return 'dynamic quantization has no integer form of this operator'
  const { weightIndex, smallestRank } = REWRITES[node.opType]
  const weight = floatConstant(node.inputs[weightIndex])
  if (!weight) return 'its weight is not a float32 constant'
  if (weight.shape.length < smallestRank || elementCount(weight.shape) === 0) return 'its weight is not a matrix'
  return REWRITES[node.opType].refuses?.(node, weight) ?? null
}

interface Rewrite {
  weightIndex: number
  smallestRank: number
  refuses?: (node: Node, weight: Tensor) => string | null
  apply: (context: DynamicContext, graph: Graph, node: Node) => void
}

const REWRITES: Record<string, Rewrite> = {
  MatMul: { weightIndex: 1, smallestRank: 2, apply: rewriteMatMul },
  Gemm: { weightIndex: 1, smallestRank: 2, refuses: refuseGemm, apply: rewriteGemm },
  Gather: {
    weightIndex: 0,
    smallestRank: 1,
    refuses: (_, table) => (elementCount(table.shape) < SMALLEST_TABLE ? 'its table is small' : null),
    apply: rewriteGather,
  },
}

function refuseGemm(node: Node): string | null {
  if (node.int('transA', 0)) return 'it transposes its activation'
  return node.float('alpha', 1) === 1 && node.float('beta', 1) === 1
    ? null
    : 'alpha and beta could not be folded into its constants'
}

const rewrite = (context: DynamicContext, graph: Graph, node: Node): void =>
  REWRITES[node.opType].apply(context, graph, node)

function rewriteMatMul(context: DynamicContext, graph: Graph, node: Node): void {
  const [input, weight] = node.inputs
  const [output] = node.outputs
  if (!input || !weight || !output) return
  graph.removeNode(node)
  integerProduct(context, graph, node.name, input, weight, false, output)
}

function rewriteGemm(context: DynamicContext, graph: Graph, node: Node): void {
  const [input, weight, bias] = node.inputs
  const [output] = node.outputs
  if (!input || !weight || !output) return
  const transposed = node.int('transB', 0) === 1
  graph.removeNode(node)
  const product = bias ? new Value(freshName(context.model, `${node.name}_product`), 'float32') : output
  integerProduct(context, graph, node.name, input, weight, transposed, product)
  if (bias) addNode(context.model, graph, 'Add', [product, bias], { name: `${node.name}_bias`, outputs: [output] })
}

function integerProduct(
  context: DynamicContext,
  graph: Graph,
  name: string,
  input: Value,
  weight: Value,
  transposed: boolean,
  output: Value,
): void {
  const { model } = context
  const [integers, scale, zeroPoint] = quantizedActivation(context, graph, input)
  const w = quantizedWeight(context, graph, weight, transposed)
  const sum = addNode(model, graph, 'MatMulInteger', [integers, w.integers, zeroPoint, w.zeroPoint], {
    name: `${name}_MatMulInteger`,
  })
  const cast = addNode(model, graph, 'Cast', [sum], { name: `${name}_Cast`, attributes: { to: int(FLOAT32_CODE) } })
  const scales = addNode(model, graph, 'Mul', [scale, w.scale], { name: `${name}_scales` })
  addNode(model, graph, 'Mul', [cast, scales], { name: `${name}_Mul`, outputs: [output] })
}

/** One DynamicQuantizeLinear per tensor, shared by all its readers. */
function quantizedActivation(context: DynamicContext, graph: Graph, input: Value): readonly [Value, Value, Value] {
  const known = context.activations.get(input)
  if (known && graph === context.model.graph) return known
  const { model } = context
  const name = freshName(model, `${input.name}_DynamicQuantizeLinear`)
  const outputs = ['quantized', 'scale', 'zero_point'].map(
    (part) => new Value(freshName(model, `${input.name}_${part}`)),
  )
  graph.addNode(new Node(name, 'DynamicQuantizeLinear', '', [input], outputs))
  const made = [outputs[0], outputs[1], outputs[2]] as const
  if (graph === model.graph) context.activations.set(input, made)
  return made
}

function quantizedWeight(context: DynamicContext, graph: Graph, weight: Value, transposed: boolean): QuantizedWeight {
  const key = `${weight.name}\0${transposed}`
  const known = context.weights.get(key)
  if (known && graph === context.model.graph) return known
  const tensor = floatConstant(weight)
  if (!tensor) throw new Error(`"${weight.name}" is not a float32 constant`)
  const matrix = transposed ? transpose(tensor) : tensor
  const made = addWeight(context, graph, weight.name, matrix)
  if (graph === context.model.graph) context.weights.set(key, made)
  return made
}

/** int8 along the last axis for matrices; one scale for stacks of matrices, whose kernel knows no other. */
function addWeight({ model, perChannel }: DynamicContext, graph: Graph, name: string, matrix: Tensor): QuantizedWeight {
  const values = view(matrix, 'float32')
  const add = (suffix: string, tensor: Tensor) => addInitializer(model, graph, `${name}_${suffix}`, tensor)
  if (perChannel && matrix.shape.length === 2) {
    const { quantized, scales, zeroPoints } = quantizePerChannel(values, matrix.shape, 1, 'int8', { symmetric: true })
    return {
      integers: add('quantized', tensorOf('int8', matrix.shape, quantized)),
      scale: add('scale', float32([scales.length], scales)),
      zeroPoint: add('zero_point', tensorOf('int8', [scales.length], zeroPoints)),
    }
  }
  const parameters = scaleZeroPointOf(values, 'int8', { symmetric: true })
  return {
    integers: add('quantized', tensorOf('int8', matrix.shape, quantizeTensor(values, parameters, 'int8'))),
    scale: add('scale', scalar(parameters.scale)),
    zeroPoint: add('zero_point', tensorOf('int8', [], Int8Array.of(0))),
  }
}

function transpose(tensor: Tensor): Tensor {
  const [rows, columns] = tensor.shape
  const values = view(tensor, 'float32')
  const out = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]
  return float32([columns, rows], out)
}

/** The table is stored as uint8; only the rows that were picked are converted back. */
function rewriteGather({ model, domain }: DynamicContext, graph: Graph, node: Node): void {
  const [table, indices] = node.inputs
  const [output] = node.outputs
  const tensor = floatConstant(table)
  if (!table || !tensor || !indices || !output) return
  const parameters = scaleZeroPointOf(view(tensor, 'float32'), 'uint8', { symmetric: false })
  const integers = quantizeTensor(view(tensor, 'float32'), parameters, 'uint8')
  const quantized = addInitializer(model, graph, `${table.name}_quantized`, tensorOf('uint8', tensor.shape, integers))
  const scale = addInitializer(model, graph, `${table.name}_scale`, scalar(parameters.scale))
  const zeroPoint = addInitializer(
    model,
    graph,
    `${table.name}_zero_point`,
    tensorOf('uint8', [], Uint8Array.of(parameters.zeroPoint)),
  )
  graph.removeNode(node)
  const picked = addNode(model, graph, 'Gather', [quantized, indices], {
    name: node.name,
    attributes: { axis: int(node.int('axis', 0)) },
  })
  addNode(model, graph, 'DequantizeLinear', [picked, scale, zeroPoint], {
    name: `${node.name}_DequantizeLinear`,
    outputs: [output],
    domain,
  })
}
