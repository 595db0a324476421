/** Gradients of pooling. */

import { int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { inputForm } from './convolution-forms.ts'
import { INPUT_FORMS } from './convolution-input.ts'
import type { Emitter } from './emitter.ts'
import { isFixed, product, range } from './shapes.ts'
import { type Convolution, type Window, windowOf } from './window.ts'

export const spatialAxes = (value: Value): number[] => range((value.shape?.length ?? 2) - 2, 2)

const windowOfPool = (node: Node): Window | null =>
  windowOf(node, node.ints('kernel_shape') ?? [], node.inputs[0]?.shape?.slice(2) ?? [])

export const fixedImage = ({ inputs, outputs }: Node): string | null =>
  isFixed(inputs[0]?.shape?.slice(1)) && isFixed(outputs[0]?.shape?.slice(1))
    ? null
    : 'the size of its input is not fixed'

/** How many elements each place along one axis averages. */
function counts(window: Window, axis: number, input: number, output: number, includePad: boolean): number[] {
  const [kernel, stride, dilation] = [at(window.kernel, axis), at(window.strides, axis), at(window.dilations, axis)]
  const [low, high] = includePad ? [-at(window.begins, axis), input + at(window.ends, axis)] : [0, input]
  return range(output).map((o) => {
    const start = o * stride - at(window.begins, axis)
    return range(kernel).filter((k) => start + k * dilation >= low && start + k * dilation < high).length
  })
}

/** 1 ÷ elements of each window, as [1, 1, …]. */
function weights(g: Emitter, window: Window, X: Value, Y: Value, includePad: boolean): Value {
  const [input, output] = [X.shape?.slice(2) as number[], Y.shape?.slice(2) as number[]]
  const perAxis = output.map((size, axis) => counts(window, axis, at(input, axis), size, includePad))
  const all = perAxis.reduce<number[]>((left, right) => left.flatMap((a) => right.map((b) => a * b)), [1])
  const first = at(all, 0)
  if (all.every((n) => n === first)) return g.scalar(1 / first, X)
  return g.numbers(
    all.map((n) => 1 / n),
    [1, 1, ...output],
    X,
  )
}

/** Windows that lie side by side and fill the image. */
const tiles = ({ kernel, strides, dilations, begins, ends }: Window, input: readonly number[]): boolean =>
  kernel.every(
    (k, i) => k === strides[i] && dilations[i] === 1 && begins[i] === 0 && ends[i] === 0 && at(input, i) % k === 0,
  )

/** Each window's share, repeated over its elements. */
function repeated(g: Emitter, window: Window, share: Value, X: Value): Value {
  const shape = share.shape ?? []
  const apart = window.kernel.flatMap((_, i) => [at(shape, i + 2), 1])
  const full = window.kernel.flatMap((k, i) => [at(shape, i + 2), k])
  const grid = g.reshape(share, [at(shape, 0), at(shape, 1), ...apart])
  const ones = g.int64s([1, 1, ...apart.map((dim, i) => (dim === 1 ? (full[i] as number) : 1))])
  return g.reshapeLike(g.node('Expand', [grid, ones], { shape: [at(shape, 0), at(shape, 1), ...full] }), X)
}

/** Where the last window ends, counted from the first element: rounding up lets it hang over the padding. */
const reach = ({ kernel, strides, dilations, begins }: Window, axis: number, count: number): number =>
  (count - 1) * at(strides, axis) + (at(kernel, axis) - 1) * at(dilations, axis) + 1 - at(begins, axis)

/**
 * The padding with which rounding down gives as many windows as rounding up gave: `pads` for the attribute. Null where the windows hang
 * over nothing, and where padding counts in a mean. Shapes are those of a run: ONNX Runtime 1.30 infers one window more than it computes
 * where the last would start outside of the image.
 */
export function paddingOfCeiling(node: Node): number[] | null {
  const window = windowOfPool(node)
  const [image, result] = [node.inputs[0]?.shape?.slice(2), node.outputs[0]?.shape?.slice(2)]
  if (node.int('ceil_mode', 0) === 0 || node.int('count_include_pad', 0) === 1) return null
  if (!window || !isFixed(image) || !isFixed(result)) return null
  const ends = window.ends.map((end, i) => {
    const over = reach(window, i, result[i]!) - image[i]!
    return over > end ? over : Math.max(0, Math.min(end, over + window.strides[i]! - 1))
  })
  return [...window.begins, ...ends]
}

/** Each window's share, added up over the windows that hold an element: a convolution with ones of every channel alone. */
function spread(g: Emitter, window: Window, share: Value, X: Value): Value {
  const image = X.shape?.slice(2) ?? []
  const flat = g.reshape(share, [null, 1, ...(share.shape?.slice(2) ?? [])])
  const result = flat.shape?.slice(2) ?? []
  const ends = window.ends.map((end, i) => Math.max(end, reach(window, i, Number(result[i])) - Number(image[i])))
  const c: Convolution = {
    ...window,
    ends,
    batch: flat.shape?.[0] ?? null,
    inputs: 1,
    outputs: 1,
    group: 1,
    image,
    result,
  }
  const ones = g.numbers(new Array(product(window.kernel)).fill(1), [1, 1, ...window.kernel], X)
  return g.reshapeLike(INPUT_FORMS[inputForm(c)].emit(g, c, flat, ones), X)
}

export function averagePool(g: Emitter, X: Value, Y: Value, dY: Value, node: Node): Value {
  const window = windowOfPool(node) as Window
  const share = g.mul(dY, weights(g, window, X, Y, node.int('count_include_pad', 0) === 1))
  return tiles(window, X.shape?.slice(2) as number[]) ? repeated(g, window, share, X) : spread(g, window, share, X)
}

/** The largest elements' places in the flattened input come from the operator's second output. */
export function maxPool(g: Emitter, X: Value, Y: Value, dY: Value, node: Node): Value {
  const indices = g.output(node, 1, 'int64', Y.shape)
  const flat = (value: Value) => g.node('Reshape', [value, g.int64s([-1])], { shape: [null] })
  const zeros = g.filled(g.sizeOf(X), [null], 0, X)
  const scattered = g.node('ScatterElements', [zeros, flat(indices), flat(dY)], {
    shape: [null],
    attributes: { axis: int(0), reduction: { kind: 'string', value: 'add' } },
  })
  return g.reshapeLike(scattered, X)
}

export const refusesMaxPool = (node: Node): string | null =>
  node.int('storage_order', 0) === 0 ? null : 'its indices are in column-major order'
