/** A float model in a form that every ONNX Runtime runs: bfloat16 as float32, dimensions of 0 and −1 left open. */
import { join } from 'node:path'
import { allGraphs, type Model, type Value } from '../../src/engine/ir/graph.ts'
import { float32, type Tensor, view } from '../../src/engine/ir/tensor.ts'
import { decodeModel, saveModel } from '../../src/engine/onnx/index.ts'

/** The path of the model itself where nothing is to be changed, else of a copy in `directory`. */
export function float32Reference(path: string, directory: string): string {
  const { model } = decodeModel(path)
  const values = valuesOf(model)
  const ports = [...model.graph.inputs, ...model.graph.outputs]
  // Dimensions of 0 and −1 are free from reading on, and written as that.
  if (!values.some(({ dtype }) => dtype === 'bfloat16') && !ports.some(hasNamelessDim)) return path
  for (const value of values) toFloat32(value)
  const reference = join(directory, 'reference.onnx')
  saveModel(model, reference)
  return reference
}

const hasNamelessDim = ({ shape }: Value): boolean => shape?.some((dim) => dim === null) ?? false

function valuesOf({ graph }: Model): Value[] {
  return [...allGraphs(graph)].flatMap(({ inputs, initializers, nodes }) => [
    ...inputs,
    ...initializers,
    ...[...nodes].flatMap(({ outputs }) => outputs.filter((value) => value !== null)),
  ])
}

function toFloat32(value: Value): void {
  if (value.dtype !== 'bfloat16') return
  value.dtype = 'float32'
  if (value.tensor) value.tensor = widened(value.tensor)
}

/** bfloat16 is the upper half of a float32. */
function widened(tensor: Tensor): Tensor {
  const bits = Uint32Array.from(view(tensor, 'bfloat16'), (half) => half << 16)
  return float32(tensor.shape, new Float32Array(bits.buffer))
}
