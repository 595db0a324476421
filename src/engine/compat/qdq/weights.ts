/** Parameters of every marked constant, with scales enlarged where a bias needs it. */
import type { Value } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'
import { scaleZeroPoint } from '../../quant/math.ts'
import { type ConstantForm, type ConstantParameters, constantParameters, isFloatConstant } from '../constants.ts'
import { widenWeightScales } from '../int32-bias.ts'
import { isWeightSymmetric } from '../options.ts'
import { fixedParameters, overrideOf } from '../overrides.ts'
import { parametersFor } from '../ranges.ts'
import type { Marks, TensorMark } from './marks.ts'

export type Weights = ReadonlyMap<Value, ConstantParameters>

/** Source: QDQQuantizer._calc_initializer_quant_params and _adjust_weight_quant_params_for_bias_tensors. */
export function weightParameters(marks: Marks): Weights {
  const weights = new Map<Value, ConstantParameters>()
  for (const [value, mark] of marks.tensors)
    if (isFloatConstant(value)) weights.set(value, constantParameters(value.tensor, formOf(marks, mark, value)))
  if (marks.options.widenForBias) widenAll(marks, weights)
  return weights
}

function formOf({ options }: Marks, mark: TensorMark, { name }: Value & { tensor: Tensor }): ConstantForm {
  const { role, axis, blockAxis } = mark
  const own = overrideOf(options.overrides, name)
  const qtype = own.qtype ?? (role === 'weight' ? options.weightType : options.activationType)
  const byDefault = role === 'weight' ? isWeightSymmetric(options, qtype) : options.activationSymmetric
  const range = {
    symmetric: own.symmetric ?? (axis !== null || byDefault),
    reduceRange: own.reduceRange ?? options.reduceRange,
    minimumRange: options.minimumRange,
  }
  if (blockAxis !== undefined && !fixedParameters(own))
    return { qtype, axis: blockAxis, blockSize: options.blockSize, range }
  const overrides = options.overrides[name]
  if (!overrides) return { qtype, axis, range }
  return {
    qtype,
    axis,
    range,
    parametersOf: ([low, high], channel) => {
      const override = overrides[channel] ?? (fixedParameters(own) ? own : {})
      const { min = low, max = high } = override
      return fixedParameters(override) ?? scaleZeroPoint(min, max, qtype, range)
    },
  }
}

function widenAll(marks: Marks, weights: Weights): void {
  for (const [bias, { node, input, weight }] of marks.biases) {
    const activation = marks.parameters.get(input)
    const parameters = weights.get(weight)
    if (activation && parameters && bias.tensor && marks.tensors.has(input))
      widenWeightScales(parameters, bias.tensor, parametersFor(activation, node).scale)
  }
}
