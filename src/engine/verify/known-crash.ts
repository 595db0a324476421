/** Models on which ONNX Runtime crashes while it optimizes them for the processor, and a runtime that does not go that far. */
import { allGraphs, type Model, type Node } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { unevenProduct } from '../passes/level-products.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Half precision beside an uneven product, wherever it comes from: a Cast to it is enough. */
export const crashesOptimizer = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(({ nodes }) => [...nodes].some(isDeadly))

function isDeadly(node: Node): boolean {
  const found = unevenProduct(node)
  return found !== null && (found.isCast || found.tensor.dtype === 'float16')
}

/** The same runtime; such models are optimized up to `extended` only. */
export const withoutKnownCrash = (runtime: Runtime): Runtime => ({
  ...runtime,
  load: (path, options) => {
    const isDangerous = options.optimization === 'all' && crashesOptimizer(decodeModel(path).model)
    return runtime.load(path, isDangerous ? { ...options, optimization: 'extended' } : options)
  },
})
