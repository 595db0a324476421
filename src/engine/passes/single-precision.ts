/** Models in half or double precision compute in float32 from here on; their inputs and outputs keep their types. */
import { addNode, int } from '../ir/build.ts'
import { codeOf, type DType } from '../ir/dtype.ts'
import { fromFloat16 } from '../ir/float16.ts'
import { allGraphs, freshName, type Graph, kept, type Model, type Node, replaceUses, Value } from '../ir/graph.ts'
import { float32, type Tensor, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

type Other = 'float16' | 'float64' | 'bfloat16'

const OTHERS: readonly DType[] = ['float16', 'float64', 'bfloat16']
const CODES = OTHERS.map(codeOf)
const FLOAT32 = codeOf('float32')

const isOther = (dtype: DType | undefined): dtype is Other => dtype !== undefined && OTHERS.includes(dtype)

/** Whether the model computes in another float type than float32. */
export const hasOtherFloats = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(
    ({ inputs, initializers }) =>
      inputs.some(({ dtype }) => isOther(dtype)) || [...initializers].some(({ tensor }) => isOther(tensor?.dtype)),
  )

export const singlePrecision: Pass = {
  name: 'single-precision',
  run(model: Model) {
    const { graph } = model
    const inputs = graph.inputs.filter(({ dtype }) => isOther(dtype))
    const outputs = graph.outputs.flatMap((value) => (isOther(value.dtype) ? [[value, value.dtype] as const] : []))
    for (const inner of allGraphs(graph)) retype(model, inner)
    for (const value of inputs) castInput(model, value)
    for (const [value, dtype] of outputs) castOutput(model, value, dtype)
  },
}

function retype(model: Model, graph: Graph): void {
  for (const value of graph.initializers) {
    if (!value.tensor || !isOther(value.tensor.dtype)) continue
    value.tensor = kept(model, toSingle(value.tensor))
    value.dtype = 'float32'
  }
  for (const node of graph.nodes) {
    retypeAttributes(node)
    for (const value of node.outputs) if (value && isOther(value.dtype)) value.dtype = 'float32'
  }
  const own = graph === model.graph ? [] : [...graph.inputs, ...graph.outputs]
  for (const value of own) if (isOther(value.dtype)) value.dtype = 'float32'
}

function retypeAttributes({ attributes }: Node): void {
  for (const [name, attribute] of attributes) {
    if (attribute.kind === 'tensor' && isOther(attribute.value.dtype))
      attributes.set(name, { kind: 'tensor', value: toSingle(attribute.value) })
    else if (['to', 'dtype'].includes(name) && attribute.kind === 'int' && CODES.includes(attribute.value))
      attributes.set(name, int(FLOAT32))
  }
}

/** The same numbers in float32; a tensor of another type stays as it is. */
export function toSingle(tensor: Tensor): Tensor {
  if (!isOther(tensor.dtype)) return tensor
  if (tensor.dtype === 'float16') return float32(tensor.shape, fromFloat16(view(tensor, 'float16')))
  if (tensor.dtype === 'float64') return float32(tensor.shape, Float32Array.from(view(tensor, 'float64')))
  const bits = Uint32Array.from(view(tensor, 'bfloat16'), (half) => half << 16)
  return float32(tensor.shape, new Float32Array(bits.buffer))
}

function castInput(model: Model, value: Value): void {
  const single = new Value(freshName(model, `${value.name}_float32`), 'float32', value.shape)
  replaceUses(value, single)
  addNode(model, model.graph, 'Cast', [value], { outputs: [single], attributes: { to: int(FLOAT32) } })
}

function castOutput(model: Model, value: Value, dtype: Other): void {
  const { producer } = value
  if (!producer) return
  value.dtype = dtype
  const single = new Value(freshName(model, `${value.name}_float32`), 'float32', value.shape)
  replaceUses(value, single)
  producer.setOutput(producer.outputs.indexOf(value), single)
  addNode(model, model.graph, 'Cast', [single], { outputs: [value], attributes: { to: int(codeOf(dtype)) } })
}
