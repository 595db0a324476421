/**
 * A factor and an offset for each channel that no layer takes in, written with what integer-only processors compute: a convolution of
 * each channel alone, whose scales are the channels' own and whose offsets have 32 bits. Where there are no places to convolve, a
 * BatchNormalization becomes a product and a sum.
 */
import { addInitializer, addNode, int, replaceNode } from '../ir/build.ts'
import { allGraphs, type Node, type Value } from '../ir/graph.ts'
import { float32 } from '../ir/tensor.ts'
import { isShared, normOf, operands, perChannel, type Site } from './affine/site.ts'
import type { Pass } from './pass.ts'

/** axes of what convolutions take: one axis of places at least, three at most */
const CONVOLVES = [3, 4, 5]

/** Channels of `value`, and what becomes of each. */
interface Affine {
  value: Value
  rank: number
  factors: Float32Array
  offsets: Float32Array
}

/** `has` says which operators the target computes in integers; nodes that `stays` names are left alone. */
export const convolveChannels = (has: (opType: string) => boolean, stays: (node: Node) => boolean): Pass => ({
  name: 'convolve-channels',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes]) if (!stays(node)) rewrite({ model, graph, node }, has)
  },
})

function rewrite(site: Site, has: (opType: string) => boolean): void {
  const norm = ofNorm(site)
  const affine = norm ?? ofSum(site)
  if (!affine) return
  if (CONVOLVES.includes(affine.rank) && has('Conv')) convolve(site, affine)
  else if (norm && has('Mul') && has('Add')) multiplyAndAdd(site, affine)
}

function ofNorm({ node }: Site): Affine | null {
  const norm = normOf(node)
  const [value] = node.inputs
  const rank = value?.shape?.length ?? 0
  return norm && value && rank >= 2 ? { value, rank, ...norm } : null
}

/** x · factors + offsets, where nothing else reads the product and a factor is not the same for all. */
function ofSum({ node, graph }: Site): Affine | null {
  const sum = operands(node, 'Add')
  const product = sum?.value.producer ? operands(sum.value.producer, 'Mul') : null
  const shape = product?.value.shape
  const channels = shape?.[1]
  if (!sum || !product || !shape || typeof channels !== 'number' || isShared(sum.value, graph)) return null
  if (product.constant.length !== channels || channels === 1) return null
  const [factors, offsets] = [product, sum].map((one) => perChannel(one, channels, shape.length, shape.length - 2))
  return factors && offsets ? { value: product.value, rank: shape.length, factors, offsets } : null
}

function convolve({ model, graph, node }: Site, { value, rank, factors, offsets }: Affine): void {
  const channels = factors.length
  const places = Array.from({ length: rank - 2 }, () => 1)
  const weight = addInitializer(model, graph, `${node.name}_factors`, float32([channels, 1, ...places], factors))
  const bias = addInitializer(model, graph, `${node.name}_offsets`, float32([channels], offsets))
  replaceNode(model, graph, node, 'Conv', [value, weight, bias], { attributes: { group: int(channels) } })
}

function multiplyAndAdd({ model, graph, node }: Site, { value, rank, factors, offsets }: Affine): void {
  const shape = [factors.length, ...Array.from({ length: rank - 2 }, () => 1)]
  const constant = (name: string, numbers: Float32Array) =>
    addInitializer(model, graph, `${node.name}_${name}`, float32(shape, numbers))
  const product = addNode(model, graph, 'Mul', [value, constant('factors', factors)], { name: `${node.name}_product` })
  Object.assign(product, { dtype: value.dtype, shape: value.shape })
  replaceNode(model, graph, node, 'Add', [product, constant('offsets', offsets)])
}
