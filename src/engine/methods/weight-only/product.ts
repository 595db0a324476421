/** MatMul and Gemm by a constant matrix become MatMulNBits, or read it through a DequantizeLinear. */

import type { BlockMatrix } from '../../blockwise/blockwise.ts'
import { addNode, int } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { elementCount, view } from '../../ir/tensor.ts'
import { dequantizeStack, isStack, refusesStack } from './stack.ts'
import {
  blockSizeFor,
  blocksOf,
  type Context,
  type Decided,
  dequantized,
  forContrib,
  type Rewrite,
  type Site,
  SMALLEST,
} from './weight.ts'

/** activations as int8 blocks; the only fast kernel for 8 bits on x86 */
const INT8_COMPUTE = 4

export const product: Rewrite = {
  weights: [1],
  refuses,
  describes: ({ inputs }, { bits, block_size }) =>
    `${bits}-bit weights in blocks of ${block_size}${isStack(inputs[1]) ? ', expanded in every run' : ''}`,
  apply,
}

function refuses(node: Node, options: Decided): string | null {
  const weight = node.inputs[1]?.tensor
  if (weight?.dtype !== 'float32' || weight.shape.length < 2) return 'its weight is not a constant float32 matrix'
  if (elementCount(weight.shape) < SMALLEST) return 'its weight is small'
  if (weight.shape.length > 2) return refusesStack(options)
  if (node.opType === 'MatMul') return null
  if (node.int('transA', 0) || node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1)
    return 'it does more than a product and a sum'
  return null
}

function apply(context: Context, site: Site, wished: Decided): void {
  const [input, weight] = site.node.inputs
  const [output] = site.node.outputs
  if (!input || !weight?.tensor || !output) return
  if (isStack(weight)) {
    dequantizeStack(context, site, weight, wished)
    return
  }
  const options = context.tied.has(weight) ? likeTable(matrixOf(weight, site.node).K, wished) : wished
  if (options.format === 'qdq') dequantizeWeight(context, site, weight, options)
  else replaceProduct(context, site, { input, weight, output }, options)
}

/** A product reads the blocks of the table that its matrix is. */
const likeTable = (width: number, options: Decided): Decided => ({
  ...options,
  block_size: blockSizeFor(width, options) ?? options.block_size,
})

function matrixOf({ tensor }: Value, node: Node): BlockMatrix {
  const byColumn = node.int('transB', 0) === 1
  const [rows, columns] = tensor!.shape as [number, number]
  const [K, N] = byColumn ? [columns, rows] : [rows, columns]
  return { values: view(tensor!, 'float32'), K, N, byColumn }
}

/** The product stays; ONNX Runtime makes MatMulNBits of the pair, other runtimes see standard operators. */
function dequantizeWeight(context: Context, site: Site, weight: Value, options: Decided): void {
  const matrix = matrixOf(weight, site.node)
  const { K, N, byColumn = false } = matrix
  const layout = { K, N, axis: byColumn ? 1 : 0, byRow: byColumn }
  site.node.setInput(1, dequantized(context, site, weight, matrix, options, layout))
}

function replaceProduct(
  context: Context,
  { graph, node }: Site,
  { input, weight, output }: { input: Value; weight: Value; output: Value },
  options: Decided,
): void {
  const { model } = context
  const bias = node.inputs[2]
  const matrix = matrixOf(weight, node)
  const { K, N } = matrix
  const { bits, block_size } = options
  const bytes = (block_size * bits) / 8
  const write = forContrib(N, bits, ({ blocks }) => [N, blocks, bytes])
  const constants = blocksOf(context, graph, weight.name, matrix, options, write)
  graph.removeNode(node)
  const sizes = { K: int(K), N: int(N), bits: int(bits), block_size: int(block_size) }
  const made = { domain: MICROSOFT, attributes: { ...sizes, accuracy_level: int(INT8_COMPUTE) }, name: node.name }
  if (!bias) {
    addNode(model, graph, 'MatMulNBits', [input, ...constants], { ...made, outputs: [output] })
    return
  }
  const sum = addNode(model, graph, 'MatMulNBits', [input, ...constants], made)
  addNode(model, graph, 'Add', [sum, bias], { name: `${node.name}_bias`, outputs: [output] })
}
