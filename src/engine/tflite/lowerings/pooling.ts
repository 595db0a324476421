/** Pooling over windows, and means over axes. */
import type { Node } from '../../ir/graph.ts'
import type { OperatorCode } from '../codes.ts'
import { bring, emit, floats, int32s, integers, refuse, type Stored } from '../emitter.ts'
import type { TensorNode } from '../network.ts'
import { identity, type Order } from '../order.ts'
import type { Options } from '../schema.ts'
import { asOutput, type Site } from '../site.ts'
import type { Lowering, LoweringTable } from './define.ts'
import { fit, PADDING, padded, planes, sizeOf, type Window, windowOf, writePlanes, writePlanesLike } from './planes.ts'

const noDilation = (node: Node) => (node.ints('dilations')?.some((d) => d > 1) ? 'its window is dilated' : null)

const reduction = (
  code: OperatorCode,
  axes: (site: Site) => readonly number[],
  examples: Lowering['examples'],
): Lowering => ({
  examples,
  lower: (site) => reduce(site, code, axes(site)),
})

const places = (site: Site) => identity(site.shapeOf(0).length).slice(2)

export const POOLING = {
  MaxPool: {
    lower: lowerMaxPool,
    refuses: noDilation,
    channelsLast: true,
    examples: [
      'Y = MaxPool(X[1,3,8,8], kernel_shape=[2,2], strides=[2,2])',
      'Y = MaxPool(X[1,3,7,7], kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1])',
      'Y = MaxPool(X[1,3,8,8], kernel_shape=[3,3], strides=[2,2], ceil_mode=1)',
      'Y = MaxPool(X[1,3,8], kernel_shape=[2], strides=[2])',
    ],
  },
  AveragePool: {
    lower: lowerAveragePool,
    refuses: noDilation,
    channelsLast: true,
    examples: [
      'Y = AveragePool(X[1,3,8,8], kernel_shape=[2,2], strides=[2,2])',
      'Y = AveragePool(X[1,3,8,8], kernel_shape=[3,3], pads=[1,1,1,1])',
      'Y = AveragePool(X[1,3,8,8], kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1)',
    ],
  },
  GlobalAveragePool: { ...reduction('MEAN', places, ['Y = GlobalAveragePool(X[1,3,4,5])']), channelsLast: true },
  GlobalMaxPool: { ...reduction('REDUCE_MAX', places, ['Y = GlobalMaxPool(X[1,3,4,5])']), channelsLast: true },
  ReduceMean: reduction('MEAN', axesOf, [
    'reduced = ReduceMean(data[1,3,4,5], axes=[2,3], keepdims=0)',
    'reduced = ReduceMean(data[2,4,6], axes=[-1])',
  ]),
  ReduceMax: reduction('REDUCE_MAX', axesOf, ['reduced = ReduceMax(data[1,3,4,5], axes=[1])']),
  ReduceMin: reduction('REDUCE_MIN', axesOf, ['reduced = ReduceMin(data[1,3,4,5], axes=[1])']),
  ReduceSum: reduction('SUM', axesOf, ['reduced = ReduceSum(data[1,3,4,5], {2,3})']),
} as const satisfies LoweringTable

const poolOptions = ({ kernel, strides }: Window, padding: number): Options => ({
  type: 'Pool2DOptions',
  value: { padding, stride_h: strides[0], stride_w: strides[1], filter_height: kernel[0], filter_width: kernel[1] },
})

function lowerMaxPool(site: Site): void {
  if (site.node.outputs[1]) refuse(site.node, 'it writes indices')
  const x = site.input(0)
  const window = windowOf(site.node, x.shape, site.outputShape())
  const input = asOutput(site, planes(site, x))
  writePlanes(site, (output) => {
    const { padding, pads } = fit(window, sizeOf(input), sizeOf(output))
    const source = pads ? padded(site, input, pads, lowest(site, input)) : input
    emit(site.emitter, 'MAX_POOL_2D', [source], [output], poolOptions(window, padding))
  })
}

/** What loses against every number. */
const lowest = ({ emitter }: Site, { quantization }: TensorNode): TensorNode =>
  quantization
    ? integers(emitter, 'lowest', Int8Array.of(-128), [], quantization)
    : floats(emitter, 'lowest', [-3.4e38], [])

function lowerAveragePool(site: Site): void {
  const { node } = site
  const x = site.input(0)
  const window = windowOf(node, x.shape, site.outputShape())
  const input = planes(site, x)
  const counts = node.int('count_include_pad', 0) === 1
  writePlanesLike(site, input, (output) => {
    const { padding, pads } = fit(window, sizeOf(input), sizeOf(output))
    const isPadded = pads !== null || padding === PADDING.SAME
    if (pads && !counts)
      refuse(node, `it divides by the elements inside of padding ${window.pads}, which is not TensorFlow's`)
    const source = isPadded && counts ? padded(site, input, window.pads) : input
    emit(site.emitter, 'AVERAGE_POOL_2D', [source], [output], poolOptions(window, counts ? PADDING.VALID : padding))
  })
}

function axesOf(site: Site): number[] {
  const { node } = site
  const rank = site.shapeOf(0).length
  const given = node.ints('axes') ?? (site.has(1) ? site.numbers(1) : null)
  if (site.has(1) && !given) refuse(node, 'its axes are computed')
  return !given?.length ? [...identity(rank)] : given.map((axis) => (axis + rank) % rank)
}

function reduce(site: Site, code: OperatorCode, axes: readonly number[]): void {
  const { node, emitter } = site
  const x = site.input(0)
  const keeps = node.opType.startsWith('Global') || node.int('keepdims', 1) === 1
  const order = keeps ? x.order : remaining(x.order, axes)
  const input = code === 'MEAN' || code === 'SUM' ? x.tensor : asOutput(site, x.tensor)
  const where = int32s(
    emitter,
    axes.map((axis) => x.order.indexOf(axis)).sort((a, b) => a - b),
  )
  emit(emitter, code, [storedAs(site, { ...x, tensor: input }), where], [site.output(order)], {
    type: 'ReducerOptions',
    value: { keep_dims: keeps },
  })
}

const storedAs = ({ emitter }: Site, stored: Stored) => bring(emitter, stored, stored.order)

/** The axes that stay, renamed as those of the smaller value. */
function remaining(order: Order, axes: readonly number[]): number[] {
  const kept = order.filter((axis) => !axes.includes(axis))
  const names = [...kept].sort((a, b) => a - b)
  return kept.map((axis) => names.indexOf(axis))
}
