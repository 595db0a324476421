/** MatMul and Gemm by a constant matrix become MatMulNBits. */
import { addNode, int } from '../../ir/build.ts'
import type { Node } from '../../ir/graph.ts'
import { elementCount, view } from '../../ir/tensor.ts'
import { blocksOf, type Context, type Decided, DOMAIN, type Rewrite, type Site, SMALLEST } from './weight.ts'

/** activations as int8 blocks; the only fast kernel for 8 bits on x86 */
const INT8_COMPUTE = 4

export const product: Rewrite = {
  refuses,
  describes: (_, { bits, block_size }) => `${bits}-bit weights in blocks of ${block_size}`,
  apply,
}

function refuses(node: Node): string | null {
  const weight = node.inputs[1]?.tensor
  if (weight?.dtype !== 'float32' || weight.shape.length !== 2) return 'its weight is not a constant float32 matrix'
  if (elementCount(weight.shape) < SMALLEST) return 'its weight is small'
  if (node.opType === 'MatMul') return null
  if (node.int('transA', 0) || node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1)
    return 'it does more than a product and a sum'
  return null
}

function apply(context: Context, { graph, node }: Site, options: Decided): void {
  const { model } = context
  const [input, weight, bias] = node.inputs
  const [output] = node.outputs
  if (!input || !weight?.tensor || !output) return
  const byColumn = node.int('transB', 0) === 1
  const [rows, columns] = weight.tensor.shape as [number, number]
  const [K, N] = byColumn ? [columns, rows] : [rows, columns]
  const { bits, block_size } = options
  const matrix = { values: view(weight.tensor, 'float32'), K, N, byColumn }
  const bytes = (block_size * bits) / 8
  const constants = blocksOf(context, graph, weight.name, matrix, options, ({ blocks }) => [N, blocks, bytes])
  graph.removeNode(node)
  const sizes = { K: int(K), N: int(N), bits: int(bits), block_size: int(block_size) }
  const made = { domain: DOMAIN, attributes: { ...sizes, accuracy_level: int(INT8_COMPUTE) }, name: node.name }
  if (!bias) {
    addNode(model, graph, 'MatMulNBits', [input, ...constants], { ...made, outputs: [output] })
    return
  }
  const sum = addNode(model, graph, 'MatMulNBits', [input, ...constants], made)
  addNode(model, graph, 'Add', [sum, bias], { name: `${node.name}_bias`, outputs: [output] })
}
