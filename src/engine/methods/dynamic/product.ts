/** MatMul and Gemm: DynamicQuantizeLinear → MatMulInteger → Cast → Mul; ONNX Runtime fuses these into one kernel. */

import { addInitializer, addNode, int } from '../../ir/build.ts'
import { freshName, type Graph, Node, Value } from '../../ir/graph.ts'
import { leading } from '../../ir/list.ts'
import { float32, scalar, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import { scalesOnGrid } from '../../quant/grid.ts'
import { quantizePerChannel, quantizeTensor, scaleZeroPointOf } from '../../quant/math.ts'
import { type DynamicContext, floatConstant, type QuantizedWeight, type Rewrite } from './context.ts'

const FLOAT32_CODE = 1
const REASON = 'int8 weights, activations quantized at run time'

export const matMul: Rewrite = { weightIndex: 1, smallestRank: 2, reason: REASON, apply: rewriteMatMul }
export const gemm: Rewrite = {
  weightIndex: 1,
  smallestRank: 2,
  reason: REASON,
  refuses: refuseGemm,
  apply: rewriteGemm,
}

function refuseGemm(node: Node): string | null {
  if (node.int('transA', 0)) return 'it transposes its activation'
  return node.float('alpha', 1) === 1 && node.float('beta', 1) === 1
    ? null
    : 'alpha and beta could not be folded into its constants'
}

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

/** output = input · weight, or · weightᵀ, which need not be a constant of the graph. */
export function integerProduct(
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
  const output = (part: string) => new Value(freshName(model, `${input.name}_${part}`))
  const outputs = [output('quantized'), output('scale'), output('zero_point')] as const
  graph.addNode(new Node(name, 'DynamicQuantizeLinear', '', [input], outputs))
  if (graph === model.graph) context.activations.set(input, outputs)
  return outputs
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

const INT8 = { qtype: 'int8', symmetric: true } as const

/** int8 along the last axis for matrices; one scale for stacks of matrices, whose kernel knows no other. */
function addWeight({ model, perChannel }: DynamicContext, graph: Graph, name: string, matrix: Tensor): QuantizedWeight {
  const values = view(matrix, 'float32')
  const add = (suffix: string, tensor: Tensor) => addInitializer(model, graph, `${name}_${suffix}`, tensor)
  const axis = perChannel && matrix.shape.length === 2 ? 1 : null
  const own = scalesOnGrid(matrix, axis, INT8)
  if (axis !== null) {
    const { quantized, scales, zeroPoints } = quantizePerChannel(
      values,
      matrix.shape,
      axis,
      'int8',
      INT8,
      (column, scale) => own?.[column] ?? scale,
    )
    return {
      integers: add('quantized', tensorOf('int8', matrix.shape, quantized)),
      scale: add('scale', float32([scales.length], scales)),
      zeroPoint: add('zero_point', tensorOf('int8', [scales.length], zeroPoints)),
    }
  }
  const parameters = own ? { scale: own[0]!, zeroPoint: 0 } : scaleZeroPointOf(values, 'int8', INT8)
  return {
    integers: add('quantized', tensorOf('int8', matrix.shape, quantizeTensor(values, parameters, 'int8'))),
    scale: add('scale', scalar(parameters.scale)),
    zeroPoint: add('zero_point', tensorOf('int8', [], Int8Array.of(0))),
  }
}

function transpose(tensor: Tensor): Tensor {
  const [rows, columns] = leading(2, tensor.shape)
  const values = view(tensor, 'float32')
  const out = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!
  const { grid } = tensor
  const turned = grid && grid.blockSize === 1 ? { ...grid, axis: grid.axis === null ? null : 1 - grid.axis } : undefined
  return { ...float32([columns, rows], out), ...(turned && { grid: turned }) }
}
