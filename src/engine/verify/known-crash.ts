/** Models on which ONNX Runtime crashes while it optimizes them for the processor, and a runtime that does not go that far. */
import { allGraphs, type Model, type Node } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import type { Runtime } from '../runtime/runtime.ts'

/**
 * ONNX Runtime 1.30 dies at the level `all` of float16 models in which a Transpose that leaves the last axis alone feeds a product with a
 * constant matrix: it fuses the two, and its layout optimizer has no answer to the result.
 */
export const crashesOptimizer = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(({ nodes }) => [...nodes].some(isDeadly))

function isDeadly({ opType, domain, inputs }: Node): boolean {
  const [input, weight] = inputs
  if (opType !== 'MatMul' || domain !== '' || weight?.tensor?.dtype !== 'float16') return false
  const transpose = input?.producer
  const order = transpose?.opType === 'Transpose' ? transpose.ints('perm') : undefined
  return order !== undefined && order.at(-1) === order.length - 1
}

/** The same runtime; such models are optimized up to `extended` only. */
export const withoutKnownCrash = (runtime: Runtime): Runtime => ({
  ...runtime,
  load: (path, options) => {
    const isDangerous = options.optimization === 'all' && crashesOptimizer(decodeModel(path).model)
    return runtime.load(path, isDangerous ? { ...options, optimization: 'extended' } : options)
  },
})
