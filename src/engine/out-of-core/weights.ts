/** Large weights: how much there is of them, and models that do without them for a while. */
import { allGraphs, type Model } from '../ir/graph.ts'
import { bytesOf, type Tensor } from '../ir/tensor.ts'
import type { Workspace } from '../runtime/workspace.ts'

/** bytes from which on a tensor is a weight that matters, and no shape, scale or axis */
export const LARGE_TENSOR = 64 * 1024

/** bytes of weights beyond which a model is never handled as a whole */
const LARGE_MODEL = 2 ** 30
/** what ONNX Runtime holds of a model while it loads, folds and writes it, in multiples of its weights */
const COPIES = 5

export const isLargeTensor = (tensor: Tensor | undefined): tensor is Tensor =>
  tensor !== undefined && !tensor.strings && tensor.data.length >= LARGE_TENSOR

/** Bytes of all constants, subgraphs included. */
export function weightBytes({ graph }: Model): number {
  let bytes = 0
  for (const { initializers } of allGraphs(graph))
    for (const { tensor } of initializers) bytes += tensor?.data.length ?? 0
  return bytes
}

/** Whether a model is too large to be loaded as a whole by a process that may use so many bytes. */
export const isLarge = (model: Model, memoryBytes = Number.POSITIVE_INFINITY): boolean =>
  weightBytes(model) > Math.min(LARGE_MODEL, memoryBytes / COPIES)

/** Makes inputs of the main graph's large constants, and returns these by name. */
export function detachWeights({ graph }: Model): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  for (const value of [...graph.initializers]) {
    const { name, tensor } = value
    if (!isLargeTensor(tensor) || graph.outputs.includes(value)) continue
    weights.set(name, tensor)
    value.tensor = undefined
    graph.initializers.delete(value)
    graph.inputs.push(value)
  }
  return weights
}

/** Undoes `detachWeights`, on the same model or on one that kept the names of its inputs. */
export function attachWeights({ graph }: Model, weights: ReadonlyMap<string, Tensor>): void {
  const inputs = graph.inputs.splice(0)
  for (const value of inputs) {
    const tensor = weights.get(value.name)
    if (!tensor) {
      graph.inputs.push(value)
      continue
    }
    value.tensor = tensor
    value.dtype = tensor.dtype
    value.shape = tensor.shape
    graph.addInitializer(value)
  }
}

/** what the processor wants of the address of its operands */
const ALIGNMENT = 64

/** Moves constants that lie askew in their file to where ONNX Runtime can map them, one at a time. */
export function settleWeights({ graph }: Model, workspace: Workspace): void {
  for (const { initializers } of allGraphs(graph)) {
    for (const value of initializers) {
      const { tensor } = value
      if (!isLargeTensor(tensor) || tensor.data instanceof Uint8Array || tensor.data.offset % ALIGNMENT === 0) continue
      value.tensor = workspace.keep({ ...tensor, data: bytesOf(tensor) })
    }
  }
}
