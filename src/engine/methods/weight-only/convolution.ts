/** Convolutions that are products of matrices: MatMulNBits over channels. */
import { elementCount } from '../../ir/tensor.ts'
import { asProduct, refusesProduct } from '../convolution-product.ts'
import { product } from './product.ts'
import { type Rewrite, SMALLEST } from './weight.ts'

export const convolution: Rewrite = {
  weights: [1],
  refuses: (node) => {
    const weight = node.inputs[1]?.tensor
    if (weight?.dtype !== 'float32') return 'its weight is not a constant float32 tensor'
    return refusesProduct(node) ?? (elementCount(weight.shape) < SMALLEST ? 'its weight is small' : null)
  },
  describes: (_, { bits, block_size }) =>
    `a product of matrices: ${bits}-bit weights in blocks of ${block_size}, smaller but not faster where an image has many positions`,
  apply: (context, { graph, node }, options) =>
    product.apply(context, { graph, node: asProduct(context.model, graph, node) }, options),
}
