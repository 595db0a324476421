/** Gradients of convolutions. */

import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { inputForm, weightForm } from './convolution-forms.ts'
import { INPUT_FORMS, unreached } from './convolution-input.ts'
import { WEIGHT_FORMS } from './convolution-weight.ts'
import type { Emitter } from './emitter.ts'
import { isFixed, range, type Shape } from './shapes.ts'
import {
  type Convolution,
  convolutionAttributes,
  halves,
  hasFixedImage,
  isDense,
  type Window,
  windowOf,
} from './window.ts'

export type { Convolution } from './window.ts'

const spatial = (shape: Shape | undefined): Shape => shape?.slice(2) ?? []

/** Gradient of the bias: the sum over batch and places. */
export const biasGradient = (g: Emitter, dY: Value): Value =>
  g.reduceSum(
    dY,
    range(dY.shape?.length ?? 0).filter((axis) => axis !== 1),
    false,
  )

/** Where the image's size is free, more than it may have been filled: the run cuts that off. */
export function inputGradient(g: Emitter, c: Convolution, dY: Value, W: Value, X: Value): Value {
  const filled = INPUT_FORMS[inputForm(c)].emit(g, c, dY, W)
  if (hasFixedImage(c) || isDense(c)) return filled
  const axes = range(c.kernel.length, 2)
  const cut = [g.int64s(axes.map(() => 0)), g.dimsOf(X, axes), g.int64s(axes)]
  return g.node('Slice', [filled, ...cut], { shape: X.shape })
}

export const weightGradient = (g: Emitter, c: Convolution, X: Value, dY: Value): Value =>
  WEIGHT_FORMS[weightForm(c)].emit(g, c, X, dY)

/** What a transposed convolution runs backwards, run forwards. */
export function transposedInputGradient(g: Emitter, c: Convolution, dY: Value, W: Value, X: Value): Value {
  const ends = c.ends.map((end, i) => end - (unreached(c)?.[i] ?? 0))
  // Places that output_padding or output_shape add beyond the kernel's reach hold the bias alone.
  const beyond = [0, 0, ...ends.map((end) => Math.min(end, 0))]
  const reached = g.pad(
    dY,
    beyond.map(() => 0),
    beyond,
  )
  const attributes = convolutionAttributes({ ...c, ends: ends.map((end) => Math.max(end, 0)) })
  return g.node('Conv', [reached, W], { shape: X.shape, attributes })
}

/** The convolution [N, C, …] → [N, M, …] of a kernel [M, C ÷ group, …], once its window is known. */
function describe(
  group: number,
  image: Value,
  weight: Value,
  result: Value,
  window: Window | null,
): Convolution | null {
  const shape = weight.shape as readonly number[]
  if (!window || !image.shape) return null
  return {
    ...window,
    batch: at(image.shape, 0),
    inputs: at(shape, 1) * group,
    outputs: at(shape, 0),
    group,
    image: spatial(image.shape),
    result: spatial(result.shape ?? image.shape.map(() => null)),
  }
}

const kernelOf = (node: Node): readonly number[] => spatial(node.inputs[1]?.shape) as readonly number[]

export function convolutionOf(node: Node): Convolution | null {
  const [X, W, Y] = [node.inputs[0], node.inputs[1], node.outputs[0]]
  if (!X || !W || !Y) return null
  return describe(node.int('group', 1), X, W, Y, windowOf(node, kernelOf(node), spatial(X.shape)))
}

/** The convolution from Y to X that a transposed one runs backwards. */
export function transposedOf(node: Node): Convolution | null {
  const [X, W, Y] = [node.inputs[0], node.inputs[1], node.outputs[0]]
  if (!X || !W || !Y) return null
  return describe(node.int('group', 1), Y, W, X, transposedWindow(node, spatial(X.shape), spatial(Y.shape)))
}

/** Padding that is automatic, or follows from a given output size, is what the sizes leave over. */
function transposedWindow(node: Node, from: Shape, to: Shape): Window | null {
  const kernel = kernelOf(node)
  const auto = node.string('auto_pad', 'NOTSET')
  const window = windowOf(
    node,
    kernel,
    kernel.map(() => 1),
  )
  if (!window || auto === 'VALID' || (auto === 'NOTSET' && !node.ints('output_shape'))) return window
  if (!isFixed(from) || !isFixed(to)) return null
  const extra = node.ints('output_padding') ?? kernel.map(() => 0)
  const pads = kernel.map((k, i) => {
    const full = at(window.strides, i) * (at(from, i) - 1) + at(extra, i) + (k - 1) * at(window.dilations, i) + 1
    return halves(Math.max(0, full - at(to, i)), auto !== 'SAME_UPPER')
  })
  return { ...window, begins: pads.map(([begin]) => begin), ends: pads.map(([, end]) => end) }
}

export const refusesUnless =
  (known: (node: Node) => Convolution | null) =>
  (node: Node): string | null => {
    if (!isFixed(node.inputs[1]?.shape)) return 'the shape of its kernel is not fixed'
    const c = known(node)
    if (!c) return 'its padding depends on a size that is not fixed'
    return hasFixedImage(c) || c.group === 1 ? null : 'the image size of a grouped convolution is not fixed'
  }
