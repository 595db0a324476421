/** Models in half or double precision compute in float32 from here on; their inputs and outputs keep their types. */
import { addNode, int } from '../ir/build.ts'
import { codeOf, type DType, dtypeOf } from '../ir/dtype.ts'
import { fromFloat16 } from '../ir/float16.ts'
import {
  type Attribute,
  allGraphs,
  freshName,
  type Graph,
  kept,
  type Model,
  type Node,
  replaceUses,
  Value,
} from '../ir/graph.ts'
import { elementCount, float32, type Tensor, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

type Other = 'float16' | 'float64' | 'bfloat16'

const OTHERS: readonly DType[] = ['float16', 'float64', 'bfloat16']
const FLOAT32 = codeOf('float32')

const isOther = (dtype: DType | undefined): dtype is Other => dtype !== undefined && OTHERS.includes(dtype)

/** Whether the model computes in another float type than float32. */
export const hasOtherFloats = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(
    ({ inputs, initializers, nodes }) =>
      inputs.some(({ dtype }) => isOther(dtype)) ||
      [...initializers].some(({ tensor }) => isOther(tensor?.dtype)) ||
      [...nodes].some((node) => isOther(node.tensor('value')?.dtype)),
  )

/** of the numbers of a half precision model, which may be in another float type */
const OTHER_SHARE = 0.01

/** Whether the constants of the model are float16 but for a few; where it has none, its inputs. */
export function isHalf({ graph }: Model): boolean {
  const graphs = [...allGraphs(graph)]
  const stored = graphs.flatMap(({ initializers }) => [...initializers].flatMap(({ tensor }) => tensor ?? []))
  const written = graphs.flatMap(({ nodes }) => [...nodes].flatMap((node) => node.tensor('value') ?? []))
  const count = (...dtypes: DType[]) =>
    [...stored, ...written].reduce(
      (sum, { dtype, shape }) => sum + (dtypes.includes(dtype) ? elementCount(shape) : 0),
      0,
    )
  const [half, other] = [count('float16'), count('float32', 'float64')]
  if (half + other > 0) return half > 0 && other <= OTHER_SHARE * half
  return graph.inputs.some(({ dtype }) => dtype === 'float16')
}

export const singlePrecision: Pass = {
  name: 'single-precision',
  run(model: Model) {
    const { graph } = model
    const inputs = graph.inputs.filter(({ dtype }) => isOther(dtype))
    const outputs = graph.outputs.flatMap((value) => (isOther(value.dtype) ? [[value, value.dtype] as const] : []))
    for (const inner of allGraphs(graph)) retype(model, inner, isOther)
    for (const value of inputs) castInput(model, value)
    for (const [value, dtype] of outputs) castOutput(model, value, dtype)
  },
}

/** bfloat16 is the upper half of float32: the same numbers, in a type that every processor computes in. Inputs and outputs change with the rest. */
export const widenBfloat16: Pass = {
  name: 'widen-bfloat16',
  run(model: Model) {
    for (const inner of allGraphs(model.graph)) retype(model, inner, isBfloat16)
    for (const value of [...model.graph.inputs, ...model.graph.outputs])
      if (isBfloat16(value.dtype)) value.dtype = 'float32'
  },
}

/** Whether anything in the model is known to be bfloat16. */
export const hasBfloat16 = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(
    ({ inputs, outputs, initializers, nodes }) =>
      [...inputs, ...outputs, ...initializers].some(({ dtype }) => isBfloat16(dtype)) ||
      [...nodes].some(({ attributes }) =>
        [...attributes].some(([name, attribute]) => isOf(name, attribute, isBfloat16)),
      ),
  )

type IsType = (dtype: DType | undefined) => boolean

const isBfloat16: IsType = (dtype) => dtype === 'bfloat16'

function retype(model: Model, graph: Graph, isOld: IsType): void {
  for (const value of graph.initializers) {
    if (!value.tensor || !isOld(value.tensor.dtype)) continue
    value.tensor = kept(model, toSingle(value.tensor))
    value.dtype = 'float32'
  }
  for (const node of graph.nodes) {
    retypeAttributes(node, isOld)
    for (const value of node.outputs) if (value && isOld(value.dtype)) value.dtype = 'float32'
  }
  const own = graph === model.graph ? [] : [...graph.inputs, ...graph.outputs]
  for (const value of own) if (isOld(value.dtype)) value.dtype = 'float32'
}

/** attributes that name an element type */
const TYPE_NAMES = ['to', 'dtype', 'output_dtype', 'stash_type', 'softmax_precision']

/** Whether an attribute is a tensor of such a type, or names it. */
function isOf(name: string, attribute: Attribute, isOld: IsType): boolean {
  if (attribute.kind === 'tensor') return isOld(attribute.value.dtype)
  return attribute.kind === 'int' && TYPE_NAMES.includes(name) && isOld(dtypeOf(attribute.value))
}

function retypeAttributes({ attributes }: Node, isOld: IsType): void {
  for (const [name, attribute] of attributes) {
    if (!isOf(name, attribute, isOld)) continue
    if (attribute.kind === 'tensor') attributes.set(name, { kind: 'tensor', value: toSingle(attribute.value) })
    else attributes.set(name, int(FLOAT32))
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
