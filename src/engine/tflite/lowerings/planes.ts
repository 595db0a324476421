/** Windows over planes: operands of two spatial axes with channels last, and padding in TensorFlow's words. */
import type { Node } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { bring, emit, emitReshape, int32s, newTensor, refuse, reshapeTo, type Stored } from '../emitter.ts'
import { sameQuantization, type TensorNode } from '../network.ts'
import { arrange, channelsLast } from '../order.ts'
import type { Site } from '../site.ts'

/** Values of the enum Padding. */
export const PADDING = { SAME: 0, VALID: 1 } as const

export interface Window {
  kernel: [number, number]
  strides: [number, number]
  dilations: [number, number]
  /** top, left, bottom, right */
  pads: [number, number, number, number]
}

/** Height and width of something along each spatial axis; a sequence has the height `one`. */
const pair = (list: readonly number[], one: number): [number, number] =>
  list.length === 1 ? [one, at(list, 0)] : [at(list, 0), at(list, 1)]

/** Batch, height, width, channels; a sequence is a plane of height one. */
export function planes(site: Site, stored: Stored): TensorNode {
  const rank = stored.shape.length
  if (rank !== 3 && rank !== 4) refuse(site.node, `its input has ${rank} axes; sequences and planes are supported`)
  const tensor = bring(site.emitter, stored, channelsLast(rank))
  return rank === 4 ? tensor : reshapeTo(site.emitter, tensor, withHeight(tensor.shape))
}

/** [a, b, c] as [a, 1, b, c] */
export const withHeight = (shape: readonly number[]): number[] => [at(shape, 0), 1, ...shape.slice(1)]

/** The output as planes: `write` gets the tensor, which becomes a sequence again where it was one. */
export function writePlanes(site: Site, write: (output: TensorNode) => void): void {
  const rank = site.outputShape().length
  const output = site.output(channelsLast(rank))
  if (rank === 4) {
    write(output)
    return
  }
  const plane = newTensor(site.emitter, `${output.name}_plane`, { ...output, shape: withHeight(output.shape) })
  write(plane)
  emitReshape(site.emitter, plane, output)
}

/** The same for kernels that keep the parameters of their input: another scale of the output is a QUANTIZE behind them. */
export function writePlanesLike(site: Site, input: TensorNode, write: (output: TensorNode) => void): void {
  const wanted = site.parameters()
  if (!wanted || sameQuantization(wanted, input.quantization)) {
    writePlanes(site, write)
    return
  }
  const shape = site.outputShape()
  const order = channelsLast(shape.length)
  const own = newTensor(site.emitter, `${site.node.name}_own_scale`, {
    ...input,
    shape: planeShape(arrange(shape, order)),
  })
  write(own)
  site.forward({ tensor: reshapeTo(site.emitter, own, arrange(shape, order)), shape, order })
}

const planeShape = (shape: readonly number[]) => (shape.length === 4 ? shape : withHeight(shape))

export function windowOf(
  node: Node,
  input: readonly number[],
  output: readonly number[],
  kernelShape?: readonly number[],
): Window {
  const spatial = input.length - 2
  const ones = Array.from({ length: spatial }, () => 1)
  const kernel = kernelShape ?? node.ints('kernel_shape') ?? ones
  const strides = node.ints('strides') ?? ones
  const dilations = node.ints('dilations') ?? ones
  const pads = padsOf(node, { kernel, strides, dilations, input: input.slice(2), output: output.slice(2) })
  return {
    kernel: pair(kernel, 1),
    strides: pair(strides, 1),
    dilations: pair(dilations, 1),
    pads: [...pair(pads.slice(0, spatial), 0), ...pair(pads.slice(spatial), 0)],
  }
}

interface Extent {
  kernel: readonly number[]
  strides: readonly number[]
  dilations: readonly number[]
  input: readonly number[]
  output: readonly number[]
}

/** Explicit padding, whatever the node says it with; a window that `ceil_mode` lets reach over the end counts as padding there. */
function padsOf(node: Node, { kernel, strides, dilations, input, output }: Extent): number[] {
  const spatial = kernel.length
  const mode = node.string('auto_pad', 'NOTSET')
  const needed = kernel.map((size, i) =>
    Math.max(0, (at(output, i) - 1) * at(strides, i) + (size - 1) * at(dilations, i) + 1 - at(input, i)),
  )
  if (mode === 'SAME_UPPER') return [...needed.map((n) => Math.floor(n / 2)), ...needed.map((n) => Math.ceil(n / 2))]
  if (mode === 'SAME_LOWER') return [...needed.map((n) => Math.ceil(n / 2)), ...needed.map((n) => Math.floor(n / 2))]
  const pads = [...(node.ints('pads') ?? Array.from({ length: 2 * spatial }, () => 0))]
  needed.forEach((n, i) => {
    pads[spatial + i] = Math.max(at(pads, spatial + i), n - at(pads, i))
  })
  return pads
}

/** The padding as TensorFlow's SAME would do it for these sizes. */
function samePads({ kernel, strides, dilations }: Window, input: readonly [number, number]): number[] {
  const total = kernel.map((size, i) =>
    Math.max(
      0,
      (Math.ceil(at(input, i) / at(strides, i)) - 1) * at(strides, i) +
        (size - 1) * at(dilations, i) +
        1 -
        at(input, i),
    ),
  )
  return [...total.map((n) => Math.floor(n / 2)), ...total.map((n) => Math.ceil(n / 2))]
}

/** What a window needs in front of it: nothing, or rows and columns of its own. */
export type Fit = { padding: number; pads: null } | { padding: number; pads: Window['pads'] }

/** `size`: height and width of the input, and of the output. */
export function fit(window: Window, input: readonly [number, number], output: readonly [number, number]): Fit {
  const same = samePads(window, input)
  const isSame = output.every((size, i) => size === Math.ceil(at(input, i) / at(window.strides, i)))
  if (window.pads.every((pad) => pad === 0)) return { padding: PADDING.VALID, pads: null }
  if (isSame && same.every((pad, i) => pad === window.pads[i])) return { padding: PADDING.SAME, pads: null }
  return { padding: PADDING.VALID, pads: window.pads }
}

/** The planes with rows and columns of zeros, or of `value`, around. */
export function padded(
  { emitter }: Site,
  tensor: TensorNode,
  [top, left, bottom, right]: Window['pads'],
  value?: TensorNode,
): TensorNode {
  const [batch, height, width, channels] = tensor.shape as [number, number, number, number]
  const shape = [batch, height + top + bottom, width + left + right, channels]
  const output = newTensor(emitter, `${tensor.name}_padded`, { ...tensor, shape })
  const pads = int32s(emitter, [0, 0, top, bottom, left, right, 0, 0], [4, 2])
  if (value) emit(emitter, 'PADV2', [tensor, pads, value], [output], { type: 'PadV2Options', value: {} })
  else emit(emitter, 'PAD', [tensor, pads], [output], { type: 'PadOptions', value: {} })
  return output
}

export const sizeOf = ({ shape }: TensorNode): [number, number] => [at(shape, 1), at(shape, 2)]
