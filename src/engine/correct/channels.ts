/** Where the channels of an activation come from and go to: what may divide them by factors, and what then has to multiply. */
import { type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { elementCount, float32, type Tensor, view } from '../ir/tensor.ts'
import { inputIndex, inputRole } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import { channelLayout } from '../quant/math.ts'

/** A multiplication by a constant weight that no other node reads. */
export interface Layer {
  node: Node
  weight: Value
  /** axis of the weight that holds the output channels */
  axis: number
  /** input channel of an element, by its block, output channel and position behind it */
  inputOf: (outer: number, channel: number, inner: number) => number
  outputs: number
  inputs: number
}

/** The bias of a multiplication; null without one. */
export function biasOf(node: Node): Value | null {
  const def = opOf(node)
  const [name] = Object.entries(def?.quant ?? {}).find(([, { kind }]) => kind === 'bias') ?? []
  return (def && name && node.inputs[inputIndex(def, name)]) || null
}

/** Whether the output channels of a layer can be divided: its bias is a constant of its own with one number per channel. */
export function isDivisible(layer: Layer): boolean {
  const bias = biasOf(layer.node)
  if (!bias) return true
  return (
    bias.tensor?.dtype === 'float32' && bias.consumers.size === 1 && elementCount(bias.tensor.shape) === layer.outputs
  )
}

export interface Reader {
  layer: Layer
  /** channel of the layer's input that holds the first channel */
  offset: number
}

/** Channels that are only moved, pooled or clamped at 0 between where they are made and where they are multiplied again. */
export interface Course {
  readers: Reader[]
  /** constants that are added on the way, one number per channel */
  addends: Value[]
}

/** The layers of a graph by node. */
export function layersOf(graph: Graph): Map<Node, Layer> {
  return new Map(
    sortedNodes(graph).flatMap((node) => {
      const layer = layerOf(node)
      return layer ? [[node, layer] as const] : []
    }),
  )
}

function layerOf(node: Node): Layer | null {
  const def = opOf(node)
  const weight = node.inputs[1]
  const tensor = weight?.tensor
  if (def?.class !== 'multiply' || !weight || tensor?.dtype !== 'float32' || weight.consumers.size !== 1) return null
  if (def.refuses?.(node) || node.inputs[0]?.isConstant) return null
  const role = inputRole(def, 1)
  const axis = role.kind === 'weight' ? role.axis(node, tensor.shape.length) : null
  const inputOf = def.inputChannels?.of(node, tensor.shape)
  if (axis === null || !inputOf) return null
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  return { node, weight, axis, inputOf, outputs: channels, inputs: inputOf(outer - 1, channels - 1, inner - 1) + 1 }
}

/** The axis of a layer's input or output that holds its channels. */
export const channelAxis = ({ node }: Layer, rank: number): number => {
  const axis = opOf(node)?.inputChannels?.axis ?? 1
  return axis < 0 ? axis + rank : axis
}

/** Follows a value to the layers that read it; null when something else reads its channels. `axis` is where they lie. */
export function courseOf(graph: Graph, value: Value, axis: number, layers: ReadonlyMap<Node, Layer>): Course | null {
  const course: Course = { readers: [], addends: [] }
  return follow({ graph, layers, course }, value, axis, 0) && course.readers.length > 0 ? course : null
}

/** The value behind the clamp or slope that follows a layer at once: the one whose range matters. */
export function settled(graph: Graph, value: Value): Value {
  const [reader, ...others] = value.consumers.keys()
  const def = reader && opOf(reader)
  const passes = def?.homogeneous && !def.spatial && others.length === 0 && reader?.inputs[0] === value
  const output = passes && !graph.outputs.includes(value) ? reader.outputs[0] : null
  return output?.shape ? settled(graph, output) : value
}

interface Walk {
  graph: Graph
  layers: ReadonlyMap<Node, Layer>
  course: Course
}

function follow(walk: Walk, value: Value, axis: number, offset: number): boolean {
  if (walk.graph.outputs.includes(value) || value.shape === undefined) return false
  return [...value.consumers].every(([node, reads]) => reads === 1 && step(walk, node, value, axis, offset))
}

function step(walk: Walk, node: Node, value: Value, axis: number, offset: number): boolean {
  const rank = value.shape?.length ?? 0
  const layer = walk.layers.get(node)
  if (layer) {
    walk.course.readers.push({ layer, offset })
    return node.inputs[0] === value && channelAxis(layer, rank) === axis
  }
  const [output] = node.outputs
  const def = opOf(node)
  if (!output || !def || node.outputs.length > 1) return false
  if (def.joins) {
    const place = concatOffset(node, value, axis, rank)
    return place !== null && follow(walk, output, axis, offset + place)
  }
  if (def.sums) return addend(walk, node, value, axis) && follow(walk, output, axis, offset)
  if (def.flattens) return axis === 1 && isFlat(value) && follow(walk, output, axis, offset)
  const passes = def.homogeneous && (axis === 1 || !def.spatial)
  return passes === true && node.inputs[0] === value && follow(walk, output, axis, offset)
}

/** Channels in front of this value's in a concatenation of channels. */
function concatOffset(node: Node, value: Value, axis: number, rank: number): number | null {
  const along = node.int('axis', 0)
  if ((along < 0 ? along + rank : along) !== axis) return null
  const before = node.inputs.slice(0, node.inputs.indexOf(value)).map((input) => input?.shape?.[axis])
  const sizes = before.filter((size) => typeof size === 'number')
  return sizes.length === before.length ? sizes.reduce((a, b) => a + b, 0) : null
}

function addend({ course }: Walk, node: Node, value: Value, axis: number): boolean {
  const other = node.inputs.find((input) => input !== value)
  const tensor = other?.tensor
  const rank = value.shape?.length ?? 0
  if (!other || tensor?.dtype !== 'float32' || other.consumers.size !== 1 || tensor.shape.length > rank) return false
  const at = axis - (rank - tensor.shape.length)
  const onlyChannels = tensor.shape.every((size, i) => i === at || size === 1)
  if (at < 0 || !onlyChannels || tensor.shape[at] !== value.shape?.[axis]) return false
  course.addends.push(other)
  return true
}

const isFlat = ({ shape }: Value): boolean => shape?.slice(2).every((size) => size === 1) ?? false

/** Largest weight of every input channel. */
export function inputRanges({ weight, axis, inputOf, inputs }: Layer): Float64Array {
  const tensor = weight.tensor as Tensor
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  const values = view(tensor, 'float32')
  const ranges = new Float64Array(inputs)
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++)
      for (let i = 0, at = (o * channels + c) * inner; i < inner; i++, at++) {
        const input = inputOf(o, c, i)
        ranges[input] = Math.max(ranges[input]!, Math.abs(values[at]!))
      }
  return ranges
}

/** The weight with every element multiplied by `input[its input channel] ÷ output[its output channel]`. */
export function scaledWeight(
  { weight, axis, inputOf }: Layer,
  input: Float64Array,
  output: Float64Array,
): Float32Array {
  const tensor = weight.tensor as Tensor
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  const scaled = Float32Array.from(view(tensor, 'float32'))
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++)
      for (let i = 0, at = (o * channels + c) * inner; i < inner; i++, at++)
        scaled[at]! *= input[inputOf(o, c, i)]! / output[c]!
  return scaled
}

/** The constant with element i divided by `by[i]`. */
export function divided({ tensor }: Value, by: Float64Array): Tensor {
  const { shape } = tensor as Tensor
  return float32(
    shape,
    view(tensor as Tensor, 'float32').map((x, i) => x / by[i]!),
  )
}
