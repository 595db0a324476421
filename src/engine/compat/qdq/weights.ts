/** Parameters of every marked constant, with scales enlarged where a bias needs it. */
import type { Value } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'
import { type ConstantParameters, constantParameters, isFloatConstant } from '../constants.ts'
import { widenWeightScales } from '../int32-bias.ts'
import { isWeightSymmetric } from '../options.ts'
import type { Marks, TensorMark } from './marks.ts'

export type Weights = ReadonlyMap<Value, ConstantParameters>

/** Source: QDQQuantizer._calc_initializer_quant_params and _adjust_weight_quant_params_for_bias_tensors. */
export function weightParameters(marks: Marks): Weights {
  const weights = new Map<Value, ConstantParameters>()
  for (const [value, mark] of marks.tensors)
    if (isFloatConstant(value)) weights.set(value, parametersOf(marks, mark, value.tensor))
  if (marks.options.widenForBias) widenAll(marks, weights)
  return weights
}

function parametersOf({ options }: Marks, { role, axis }: TensorMark, tensor: Tensor): ConstantParameters {
  const qtype = role === 'weight' ? options.weightType : options.activationType
  const byDefault = role === 'weight' ? isWeightSymmetric(options, qtype) : options.activationSymmetric
  const { reduceRange, minimumRange } = options
  return constantParameters(tensor, qtype, axis, { symmetric: axis !== null || byDefault, reduceRange, minimumRange })
}

function widenAll(marks: Marks, weights: Weights): void {
  for (const [bias, { input, weight }] of marks.biases) {
    const activation = marks.parameters.get(input)
    const parameters = weights.get(weight)
    if (activation && parameters && bias.tensor && marks.tensors.has(input))
      widenWeightScales(parameters, bias.tensor, activation.scale)
  }
}
