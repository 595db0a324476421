/** Constants that hold quantized data and its parameters. */
import { addInitializer } from '../ir/build.ts'
import type { Model, Value } from '../ir/graph.ts'
import { float32, type Tensor, view } from '../ir/tensor.ts'
import {
  allocate,
  channelExtremes,
  channelLayout,
  type Integers,
  type QType,
  quantizeInto,
  type RangeOptions,
  type ScaleZeroPoint,
  scaleZeroPoint,
} from '../quant/math.ts'
import { integerTensor } from '../quant/packed.ts'
import { blockIndex, blockParameters } from './blocks.ts'
import { quantizedName, scaleName, zeroPointName } from './names.ts'

/** Scales and zero points of one constant. */
export interface ConstantParameters {
  qtype: QType
  /** null: one pair */
  axis: number | null
  /** elements along the axis that share a pair; null: all with the same index have one */
  blockSize: number | null
  /** of the scales */
  shape: readonly number[]
  scales: Float32Array
  zeroPoints: Integers
}

/** What parameters a constant is to get. */
export interface ConstantForm {
  qtype: QType
  axis: number | null
  blockSize?: number | null
  range: RangeOptions
  /** parameters of one channel, or of all, from the extremes of its elements; default: from `range` */
  parametersOf?: (extremes: readonly [low: number, high: number], channel: number) => ScaleZeroPoint
}

/** Parameters of a computed value. */
export interface TypedParameters extends ScaleZeroPoint {
  qtype: QType
}

/** The two constants that Q, DQ and the integer operators read. */
export interface ParameterValues {
  scale: Value
  zeroPoint: Value
}

export const isFloatConstant = (value: Value | null | undefined): value is Value & { tensor: Tensor } =>
  value?.tensor?.dtype === 'float32'

export function constantParameters(tensor: Tensor, form: ConstantForm): ConstantParameters {
  const { qtype, axis, blockSize = null, range } = form
  const values = view(tensor, 'float32')
  if (axis !== null && blockSize !== null) {
    const matrix = { shape: tensor.shape as readonly [number, number], axis, blockSize }
    const { shape, scales, zeroPoints } = blockParameters(values, matrix, qtype, range.symmetric)
    return { qtype, axis, blockSize, shape, scales, zeroPoints: integersIn(qtype, zeroPoints) }
  }
  const parametersOf = form.parametersOf ?? (([low, high]) => scaleZeroPoint(low, high, qtype, range))
  const found = channelExtremes(values, tensor.shape, axis).map(parametersOf)
  return {
    qtype,
    axis,
    blockSize: null,
    shape: axis === null ? [] : [found.length],
    scales: Float32Array.from(found, ({ scale }) => scale),
    zeroPoints: integersIn(
      qtype,
      found.map(({ zeroPoint }) => zeroPoint),
    ),
  }
}

function integersIn(qtype: QType, numbers: ArrayLike<number>): Integers {
  const integers = allocate(qtype, numbers.length)
  integers.set(numbers)
  return integers
}

/** The integers of a constant. */
export function quantizeConstant(tensor: Tensor, parameters: ConstantParameters): Tensor {
  const { qtype, axis, blockSize, shape, scales, zeroPoints } = parameters
  const values = view(tensor, 'float32')
  const integers = allocate(qtype, values.length)
  const quantizeRun = (start: number, count: number, pair: number) => {
    const at = { scale: scales[pair]!, zeroPoint: zeroPoints[pair]! }
    quantizeInto(integers, values, start, count, at, qtype)
  }
  if (axis === null) quantizeRun(0, values.length, 0)
  else if (blockSize === null) {
    const { outer, channels, inner } = channelLayout(tensor.shape, axis)
    for (let block = 0; block < outer * channels; block++) quantizeRun(block * inner, inner, block % channels)
  } else {
    const pairOf = blockIndex({ shape: tensor.shape as readonly [number, number], axis, blockSize }, shape[1]!)
    for (let i = 0; i < values.length; i++) quantizeRun(i, 1, pairOf(i))
  }
  return integerTensor(qtype, tensor.shape, integers)
}

export function addParameters(
  model: Model,
  name: string,
  { qtype, shape, scales, zeroPoints }: Pick<ConstantParameters, 'qtype' | 'shape' | 'scales' | 'zeroPoints'>,
  suffix = '',
): ParameterValues {
  const add = (base: string, tensor: Tensor) => addInitializer(model, model.graph, base + suffix, tensor)
  return {
    zeroPoint: add(zeroPointName(name), integerTensor(qtype, shape, zeroPoints)),
    scale: add(scaleName(name), float32(shape, scales)),
  }
}

/** One pair for a whole tensor. */
export const addScalarParameters = (
  model: Model,
  name: string,
  { qtype, scale, zeroPoint }: TypedParameters,
  suffix = '',
): ParameterValues => {
  const pair = { scales: Float32Array.of(scale), zeroPoints: integersIn(qtype, [zeroPoint]) }
  return addParameters(model, name, { qtype, shape: [], ...pair }, suffix)
}

export const addIntegers = (model: Model, name: string, tensor: Tensor): Value =>
  addInitializer(model, model.graph, quantizedName(name), tensor)
