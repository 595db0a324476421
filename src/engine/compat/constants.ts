/** Constants that hold quantized data and its parameters. */
import { addInitializer } from '../ir/build.ts'
import type { Model, Value } from '../ir/graph.ts'
import { float32, scalar, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import {
  allocate,
  channelLayout,
  type QType,
  quantizeInto,
  quantizePerChannel,
  quantizeTensor,
  type RangeOptions,
  scaleZeroPointOf,
} from '../quant/math.ts'
import { quantizedName, scaleName, zeroPointName } from './names.ts'

/** Scales and zero points of one constant; one pair when `axis` is null. */
export interface ConstantParameters {
  qtype: QType
  axis: number | null
  scales: Float32Array
  zeroPoints: ReturnType<typeof allocate>
}

/** The two constants that Q, DQ and the integer operators read. */
export interface ParameterValues {
  scale: Value
  zeroPoint: Value
}

export const isFloatConstant = (value: Value | null | undefined): value is Value & { tensor: Tensor } =>
  value?.tensor?.dtype === 'float32'

export function constantParameters(
  tensor: Tensor,
  qtype: QType,
  axis: number | null,
  options: RangeOptions,
): ConstantParameters {
  const values = view(tensor, 'float32')
  if (axis !== null) {
    const { scales, zeroPoints } = quantizePerChannel(values, tensor.shape, axis, qtype, options)
    return { qtype, axis, scales, zeroPoints }
  }
  const { scale, zeroPoint } = scaleZeroPointOf(values, qtype, options)
  return { qtype, axis, scales: Float32Array.of(scale), zeroPoints: allocate(qtype, 1).fill(zeroPoint) }
}

/** The integers of a constant. */
export function quantizeConstant(tensor: Tensor, { qtype, axis, scales, zeroPoints }: ConstantParameters): Tensor {
  const values = view(tensor, 'float32')
  const at = (channel: number) => ({ scale: scales[channel], zeroPoint: zeroPoints[channel] })
  if (axis === null) return tensorOf(qtype, tensor.shape, quantizeTensor(values, at(0), qtype))
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  const integers = allocate(qtype, values.length)
  for (let block = 0; block < outer * channels; block++)
    quantizeInto(integers, values, block * inner, inner, at(block % channels), qtype)
  return tensorOf(qtype, tensor.shape, integers)
}

export function addParameters(model: Model, name: string, parameters: ConstantParameters): ParameterValues {
  const { qtype, axis, scales, zeroPoints } = parameters
  const shape = axis === null ? [] : [scales.length]
  return {
    zeroPoint: addInitializer(model, model.graph, zeroPointName(name), tensorOf(qtype, shape, zeroPoints)),
    scale: addInitializer(model, model.graph, scaleName(name), float32(shape, scales)),
  }
}

export function addScalarParameters(
  model: Model,
  name: string,
  qtype: QType,
  { scale, zeroPoint }: { scale: number; zeroPoint: number },
): ParameterValues {
  const zero = tensorOf(qtype, [], allocate(qtype, 1).fill(zeroPoint))
  return {
    zeroPoint: addInitializer(model, model.graph, zeroPointName(name), zero),
    scale: addInitializer(model, model.graph, scaleName(name), scalar(scale)),
  }
}

export const addIntegers = (model: Model, name: string, tensor: Tensor): Value =>
  addInitializer(model, model.graph, quantizedName(name), tensor)
