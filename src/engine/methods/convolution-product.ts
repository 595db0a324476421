/** Convolutions whose windows do not overlap, kernels of one element and patches, written as products of matrices. */
import { addInitializer, addNode, ints, replaceNode } from '../ir/build.ts'
import { type Dim, freshName, type Graph, type Model, type Node, Value } from '../ir/graph.ts'
import { elementCount, float32, int64, type Tensor, view } from '../ir/tensor.ts'
import { range } from '../ops/gradients/shapes.ts'
import { isUnpadded, type Window, windowOf } from '../ops/gradients/window.ts'

/** The elements that a window multiplies: the depth of the product. */
export const depthOf = ({ shape }: Tensor): number => elementCount(shape.slice(1))

/** Why a convolution with a constant weight is no product, or null. */
export function refusesProduct(node: Node): string | null {
  if (node.int('group', 1) !== 1) return 'a convolution in groups is no product of matrices'
  const window = windowAt(node)
  if (!window || !isUnpadded(window)) return 'a convolution that pads its input is no product of matrices'
  const { kernel, dilations } = window
  if (kernel.some((k, i) => k > 1 && dilations[i]! > 1)) return 'a dilated convolution is no product of matrices'
  const image = imageOf(node)
  const free = image.filter((size) => typeof size !== 'number').length
  if (free > 1 && kernel.some((k) => k > 1)) return FREE
  return image.map((size, i) => refusesAxis(size, kernel[i]!, window.strides[i]!)).find((reason) => reason) ?? null
}

const FREE = 'a convolution over patches of an image of free size is no product of matrices'

function refusesAxis(size: Dim, kernel: number, stride: number): string | null {
  if (kernel === 1) return null
  if (typeof size !== 'number') return FREE
  return kernel === stride || placesIn(size, kernel, stride) === 1
    ? null
    : 'a convolution whose windows overlap or leave gaps is no product of matrices'
}

const placesIn = (size: number, kernel: number, stride: number): number => Math.floor((size - kernel) / stride) + 1

/** Spatial sizes of the input; null where they are free. */
function imageOf({ inputs }: Node): Dim[] {
  const kernel = kernelOf(inputs[1])
  return kernel.map((_, i) => inputs[0]?.shape?.[i + 2] ?? null)
}

const kernelOf = (weight: Value | null | undefined): readonly number[] => weight?.tensor?.shape.slice(2) ?? []
const windowAt = (node: Node): Window | null => windowOf(node, kernelOf(node.inputs[1]), imageOf(node))

/** Writes a convolution that nothing refuses as a MatMul of the same name, channels last, and returns that. Its bias is added behind it. */
export function asProduct(model: Model, graph: Graph, node: Node): Node {
  const [input, weight, bias] = node.inputs
  const [output] = node.outputs
  const window = windowAt(node)
  if (!input || !weight?.tensor || !output || !window) throw new Error(`"${node.name}" is no product`)
  const { name } = node
  const rows = windowsIn({ model, graph, name, window, image: imageOf(node), channels: weight.tensor.shape[1]! }, input)
  const matrix = addInitializer(model, graph, `${weight.name}_matrix`, matrixOf(weight.tensor))
  const product = new Value(freshName(model, `${name}_product`), 'float32')
  replaceNode(model, graph, node, 'MatMul', [rows, matrix], { outputs: [product] })
  const sum = bias ? addNode(model, graph, 'Add', [product, bias], { name: `${name}_bias` }) : product
  const back = [0, window.kernel.length + 1, ...range(window.kernel.length, 1)]
  addNode(model, graph, 'Transpose', [sum], {
    name: `${name}_channels_first`,
    outputs: [output],
    attributes: { perm: ints(back) },
  })
  return product.producer!
}

interface Site {
  model: Model
  graph: Graph
  name: string
  window: Window
  image: readonly Dim[]
  /** of the input */
  channels: number
}

/** behind the last element of any axis */
const END = 2 ** 31 - 1

/** The windows of X [N, C, …] as rows [N, places …, C · kernel]. */
function windowsIn(site: Site, input: Value): Value {
  const { model, graph, name, window } = site
  const { kernel } = window
  const move = (value: Value, perm: readonly number[]) =>
    addNode(model, graph, 'Transpose', [value], { name: `${name}_channels_last`, attributes: { perm: ints(perm) } })
  const reshape = (value: Value, shape: readonly number[]) =>
    addNode(model, graph, 'Reshape', [
      value,
      addInitializer(model, graph, `${name}_shape`, int64([shape.length], shape)),
    ])
  const kept = reached(site, input)
  if (kernel.every((k) => k === 1)) return move(kept, [0, ...range(kernel.length, 2), 1])
  const apart = reshape(kept, [0, site.channels, ...placesOf(site).flatMap((places, i) => [places ?? -1, kernel[i]!])])
  const within = kernel.map((_, i) => 2 * i + 3)
  const moved = move(apart, [0, ...within.map((axis) => axis - 1), 1, ...within])
  return reshape(moved, [...range(kernel.length + 1).map(() => 0), -1])
}

/** How often the window stands along each axis; null where that is free. */
const placesOf = ({ image, window: { kernel, strides } }: Site): (number | null)[] =>
  image.map((size, i) => (typeof size === 'number' ? placesIn(size, kernel[i]!, strides[i]!) : null))

/** Without what lies between windows and behind the last one. */
function reached(site: Site, input: Value): Value {
  const { model, graph, name, window, image } = site
  const { kernel, strides } = window
  const places = placesOf(site)
  const ends = kernel.map((k, i) => (k === 1 ? END : k * places[i]!))
  const steps = kernel.map((k, i) => (k === 1 ? strides[i]! : 1))
  const axes = range(kernel.length).filter((i) => steps[i] !== 1 || (ends[i] !== END && ends[i] !== image[i]))
  if (axes.length === 0) return input
  const vector = (numbers: readonly number[]) =>
    addInitializer(model, graph, `${name}_slice`, int64([axes.length], numbers))
  return addNode(
    model,
    graph,
    'Slice',
    [
      input,
      vector(axes.map(() => 0)),
      vector(axes.map((i) => ends[i]!)),
      vector(axes.map((i) => i + 2)),
      vector(axes.map((i) => steps[i]!)),
    ],
    { name: `${name}_reached` },
  )
}

/** W [M, C, kernel …] as a matrix [C · kernel, M]; what is known of its integers goes along. */
function matrixOf(weight: Tensor): Tensor {
  const [outputs, depth] = [weight.shape[0]!, depthOf(weight)]
  const values = view(weight, 'float32')
  const matrix = new Float32Array(values.length)
  for (let m = 0; m < outputs; m++) for (let k = 0; k < depth; k++) matrix[k * outputs + m] = values[m * depth + k]!
  const { grid } = weight
  const fits = grid?.blockSize === 1 && (grid.axis === null || grid.axis === 0)
  return {
    ...float32([depth, outputs], matrix),
    ...(fits && { grid: { ...grid, axis: grid.axis === null ? null : 1 } }),
  }
}
