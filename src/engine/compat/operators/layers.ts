/** Layers with weights in QOperator models: QLinearConv, QLinearMatMul and QGemm. */
import { MICROSOFT } from '../../ir/domain.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { float32, type Tensor, view } from '../../ir/tensor.ts'
import { integersOfTensor } from '../../quant/packed.ts'
import { addIntegers, addParameters, type ConstantParameters, isFloatConstant, quantizeConstant } from '../constants.ts'
import { addBias, biasFits, widenWeightScales } from '../int32-bias.ts'
import { pair, triple } from './qlinear.ts'
import type { Quantized, WeightForm } from './quantized-values.ts'
import type { Rewriter, Rule } from './rewriter.ts'

/** Matrices have a scale per column; stacks of matrices and vectors have one scale, the only form their kernels know. */
export function matrixForm({ options }: Rewriter, weight: Value | null | undefined): WeightForm {
  const perChannel = options.perChannel && weight?.tensor?.shape.length === 2
  return { qtype: options.weightType, axis: perChannel ? 1 : null, reduceRange: true }
}

function layerForm({ options }: Rewriter, axis: number): WeightForm {
  const { perChannel, weightType: qtype } = options
  return { qtype, axis: perChannel ? axis : null, reduceRange: true }
}

export const matmul: Rule = (rewriter, node) => {
  const [a, b] = node.inputs
  if (!rewriter.isFloat(a) && !rewriter.isFloat(b)) return false
  if (rewriter.options.constantMatricesOnly && !b?.isConstant) return false
  const output = rewriter.outputParameters(node.outputs[0])
  const input = output && rewriter.activation(a)
  const weight = input && rewriter.weight(b, matrixForm(rewriter, b))
  if (!weight) return false
  rewriter.replace(node, 'QLinearMatMul', [...triple(input), ...triple(weight), ...pair(output)], output)
  return true
}

export const conv: Rule = (rewriter, node) => {
  const form = layerForm(rewriter, 0)
  const layer = layerOf(rewriter, node, form.axis === null ? form : { ...form, qtype: 'int8' }, 1)
  if (!layer) return false
  const { input, weight, bias, output } = layer
  rewriter.replace(node, 'QLinearConv', [...triple(input), ...triple(weight), ...pair(output), ...bias], output)
  return true
}

/** alpha stays an attribute; beta is in the bias. */
export const gemm: Rule = (rewriter, node) => {
  const transposed = node.int('transB', 0) > 0
  const form = layerForm(rewriter, transposed ? 0 : 1)
  const layer = layerOf(rewriter, node, form, node.float('beta', 1), node.float('alpha', 1))
  if (!layer) return false
  const { input, weight, bias, output } = layer
  const attributes = new Map([...node.attributes].filter(([name]) => name !== 'beta'))
  const inputs = [...triple(input), ...triple(weight), bias[0] ?? null, ...pair(output)]
  rewriter.replace(node, 'QGemm', inputs, output, { domain: MICROSOFT, attributes })
  return true
}

/** Inputs of a layer in integers; null when one of them cannot be, but then its weight may be already. */
function layerOf(rewriter: Rewriter, node: Node, form: WeightForm, beta: number, alpha = 1) {
  const [a, b, c] = node.inputs
  if (!rewriter.isFloat(a) || (c && !isFloatConstant(c))) return weightOnly(rewriter, node, form)
  const output = rewriter.outputParameters(node.outputs[0])
  const input = output && rewriter.activation(a)
  const weight = input && rewriter.weight(b, form)
  if (!weight) return null
  if (!c) return { input, weight, bias: [], output }
  const layer: Layer = { bias: c, input, weight, beta, alpha }
  const fitting = widened(rewriter, b, layer)
  const bias = integerBias(rewriter, { ...layer, weight: fitting })
  return bias && { input, weight: fitting, bias: [bias], output }
}

function weightOnly(rewriter: Rewriter, node: Node, form: WeightForm): null {
  const [, weight] = node.inputs
  if (isFloatConstant(weight)) rewriter.weight(weight, form)
  return null
}

interface Layer {
  bias: Value
  input: Quantized
  weight: Quantized
  beta: number
  /** the product is scaled by it after the bias was added */
  alpha: number
}

function integerBias({ model }: Rewriter, { bias, input, weight, beta, alpha }: Layer): Value | null {
  const inputScale = input.scale.tensor
  const weightScale = weight.scale.tensor
  if (!bias.tensor || !inputScale || !weightScale) return null
  const scales = view(weightScale, 'float32')
  if (!biasFits(bias.tensor, scales.length)) return null
  return addBias(model, bias.name, bias.tensor, view(inputScale, 'float32')[0]!, scales, beta / alpha).quantized
}

/** The weight with scales that leave room for the bias: changed in place, or a second form when somebody reads the first. */
function widened(rewriter: Rewriter, value: Value | null | undefined, { bias, input, weight }: Layer): Quantized {
  const parameters = parametersOf(weight)
  const inputScale = input.scale.tensor
  if (!isFloatConstant(value) || !bias.tensor || !parameters || !inputScale || !rewriter.options.widenForBias)
    return weight
  if (!widenWeightScales(parameters, bias.tensor, view(inputScale, 'float32')[0]!)) return weight
  const integers = quantizeConstant(value.tensor, parameters)
  if (weight.integers.consumers.size > 0) return secondForm(rewriter, value.name, parameters, integers)
  weight.integers.tensor = integers
  weight.scale.tensor = float32(weight.scale.tensor?.shape ?? [], parameters.scales)
  return weight
}

const secondForm = (
  { model }: Rewriter,
  name: string,
  parameters: ConstantParameters,
  integers: Tensor,
): Quantized => ({
  ...addParameters(model, name, parameters),
  integers: addIntegers(model, name, integers),
  axis: parameters.axis,
})

function parametersOf({ scale, zeroPoint, axis }: Quantized): ConstantParameters | null {
  if (!scale.tensor || !zeroPoint.tensor) return null
  const qtype = zeroPoint.tensor.dtype as ConstantParameters['qtype']
  return {
    qtype,
    axis,
    blockSize: null,
    shape: scale.tensor.shape,
    scales: view(scale.tensor, 'float32').slice(),
    zeroPoints: integersOfTensor(zeroPoint.tensor, qtype).slice(),
  }
}
