/** int32 biases: scale = input scale · weight scale, zero point 0. */
import { addInitializer } from '../ir/build.ts'
import type { Model, Value } from '../ir/graph.ts'
import { elementCount, float32, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { extremes, quantizeBias, weightScaleForBias } from '../quant/math.ts'
import type { ConstantParameters } from './constants.ts'
import { quantizedName, scaleName, zeroPointName } from './names.ts'

export interface BiasValues {
  quantized: Value
  scale: Value
  zeroPoint: Value
  axis: number | null
}

/** Whether one scale per channel, or one for all, describes the bias. */
export const biasFits = (bias: Tensor, channels: number): boolean =>
  channels === 1 || (bias.shape.length === 1 && elementCount(bias.shape) === channels)

/** Writes the quantized bias. `beta` is multiplied into it: ONNX Runtime divides by it and then drops it, which changes the result. */
export function addBias(
  model: Model,
  name: string,
  bias: Tensor,
  inputScale: number,
  weightScales: Float32Array,
  beta: number,
): BiasValues {
  const values = beta === 1 ? view(bias, 'float32') : view(bias, 'float32').map((x) => x * beta)
  const { quantized, scales } = quantizeBias(values, inputScale, weightScales)
  const axis = scales.length > 1 ? 0 : null
  // Theirs is a vector for the scale and, where there is one, a scalar for the zero point.
  const zeroPoints = axis === null ? [] : [scales.length]
  const add = (itsName: string, tensor: Tensor) => addInitializer(model, model.graph, itsName, tensor)
  const integers = quantizedName(name)
  return {
    quantized: add(integers, tensorOf('int32', bias.shape, quantized)),
    scale: add(scaleName(integers), float32([scales.length], scales)),
    zeroPoint: add(zeroPointName(integers), tensorOf('int32', zeroPoints, new Int32Array(scales.length))),
    axis,
  }
}

/** Enlarges weight scales in place where the bias would overflow int32; says whether it did. Only symmetric signed weights can be. */
export function widenWeightScales(parameters: ConstantParameters, bias: Tensor, inputScale: number): boolean {
  const { qtype, axis, scales, zeroPoints } = parameters
  if (!qtype.startsWith('int') || zeroPoints.some((zero) => zero !== 0)) return false
  if (parameters.blockSize !== null || (axis !== null && !biasFits(bias, scales.length))) return false
  const values = view(bias, 'float32')
  const largest = Math.max(...extremes(values).map(Math.abs))
  const before = scales.slice()
  scales.forEach((scale, channel) => {
    scales[channel] = weightScaleForBias(axis === null ? largest : values[channel]!, inputScale, scale, axis !== null)
  })
  return scales.some((scale, channel) => scale !== before[channel])
}
