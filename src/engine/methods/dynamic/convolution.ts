/** Convolutions that are products of matrices: MatMulInteger over channels. ConvInteger, which takes the others, is slower than float. */
import type { Graph, Node } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'
import { asProduct, depthOf, refusesProduct } from '../convolution-product.ts'
import type { DynamicContext, Rewrite } from './context.ts'
import { matMul } from './product.ts'

/** Below it, quantizing the activations costs more than integers win: 0.9 times the speed at 48 channels, 1.2 at 96, 2.5 at 384. */
const LEAST_DEPTH = 96

export const convolution: Rewrite = {
  weightIndex: 1,
  smallestRank: 3,
  reason: 'a product of matrices: int8 weights, activations quantized at run time',
  refuses: (node, weight) => refusesProduct(node) ?? refusesDepth(weight),
  apply: (context: DynamicContext, graph: Graph, node: Node) =>
    matMul.apply(context, graph, asProduct(context.model, graph, node)),
}

const refusesDepth = (weight: Tensor): string | null =>
  depthOf(weight) < LEAST_DEPTH ? `with ${depthOf(weight)} numbers in a window its integer form would be slower` : null
