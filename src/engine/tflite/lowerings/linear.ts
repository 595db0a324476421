/** Matrix products: FULLY_CONNECTED with constant weights, BATCH_MATMUL of two computed operands. */
import { bitsOf } from '../../ir/dtype.ts'
import { at } from '../../ir/list.ts'
import { bytesOf } from '../../ir/tensor.ts'
import { bring, emit, quantizedAs, refuse, type Stored } from '../emitter.ts'
import type { TensorNode } from '../network.ts'
import { identity, permute, withLast } from '../order.ts'
import type { Site } from '../site.ts'
import { biasOf } from './bias.ts'
import type { LoweringTable } from './define.ts'

export const LINEAR = {
  Gemm: {
    lower: lowerGemm,
    refuses: (node) => (node.float('alpha', 1) === 1 && node.float('beta', 1) === 1 ? null : 'alpha or beta is not 1'),
    examples: [
      'Y = Gemm(A[4,8], B[8,3], C[3])',
      'Y = Gemm(A[1,8], B[3,8], C[3], transB=1)',
      'Y = Gemm(A[2,8], B[8,3])',
    ],
  },
  MatMul: {
    lower: lowerMatMul,
    examples: ['Y = MatMul(A[2,4,8], B[8,3])', 'Y = MatMul(A[4,8], B[8,3])', 'Y = MatMul(A[1,2,4,8], B[1,2,8,5])'],
  },
} as const satisfies LoweringTable

function lowerGemm(site: Site): void {
  const { node } = site
  if (node.int('transA', 0) === 1) refuse(node, 'its first operand is transposed')
  fullyConnected(site, node.int('transB', 0) === 1)
}

function lowerMatMul(site: Site): void {
  const { data } = site.input(1).tensor
  if (data && site.shapeOf(1).length === 2) fullyConnected(site, false)
  else batchMatMul(site)
}

function fullyConnected(site: Site, isTransposed: boolean): void {
  const { node, emitter } = site
  const [a, b] = [site.input(0), site.input(1)]
  const rank = a.shape.length
  if (rank < 2) refuse(node, 'its first operand is a vector')
  if (!b.tensor.data) refuse(node, 'its second operand is not a constant')
  const order = at(a.order, rank - 1) === rank - 1 ? a.order : withLast(a.order, rank - 1)
  const weight = bring(emitter, unflattened(a, b, isTransposed), isTransposed ? identity(2) : [1, 0])
  const bias = biasOf(site, 2, a.tensor, b.tensor, at(weight.shape, 0))
  const input = bring(emitter, a, order)
  emit(emitter, 'FULLY_CONNECTED', [input, weight, bias], [site.output(order)], {
    type: 'FullyConnectedOptions',
    value: { keep_num_dims: rank > 2 },
  })
}

/** The weights with their depth in the order in which a flattened value lies. */
function unflattened({ flattened }: Stored, weight: Stored, isTransposed: boolean): Stored {
  if (!flattened) return weight
  const depth = isTransposed ? 1 : 0
  const [rows = 1, columns = 1] = weight.shape
  const { shape, order } = flattened
  const split = isTransposed ? [rows, ...shape] : [...shape, columns]
  const inner = order.map((axis) => axis + depth)
  const perm = isTransposed ? [0, ...inner] : [...inner, order.length]
  return { ...weight, tensor: permuted(weight.tensor, split, perm) }
}

function batchMatMul(site: Site): void {
  const { node, emitter } = site
  const [a, b] = [site.input(0), site.input(1)]
  if (a.shape.length < 2 || b.shape.length < 2) refuse(node, 'an operand is a vector')
  const [left, right] = [bring(emitter, a, identity(a.shape.length)), bring(emitter, b, identity(b.shape.length))]
  const output = site.output(identity(site.outputShape().length))
  emit(emitter, 'BATCH_MATMUL', [left, site.isInteger ? symmetric(site, right) : right], [output], {
    type: 'BatchMatMulOptions',
    value: {},
  })
}

/** XNNPACK ignores a zero point of the second operand: it is quantized without one, over the larger of its sides. */
function symmetric({ emitter }: Site, tensor: TensorNode): TensorNode {
  const [scale = 1] = tensor.quantization?.scales ?? []
  const [zero = 0] = tensor.quantization?.zeroPoints ?? []
  if (zero === 0) return tensor
  const largest = Math.max(127 - zero, zero + 128)
  return quantizedAs(emitter, tensor, 'int8', {
    scales: [Math.fround((scale * largest) / 127)],
    zeroPoints: [0],
    axis: 0,
  })
}

const permuted = (tensor: TensorNode, split: readonly number[], perm: readonly number[]): TensorNode => {
  const { data } = tensor
  if (!data) throw new Error(`"${tensor.name}" is not a constant`)
  const bytes = bytesOf({ dtype: tensor.type, shape: tensor.shape, data })
  return { ...tensor, data: permute(bytes, bitsOf(tensor.type) / 8, split, perm) }
}
