/** Layers of dynamic quantization: integer product → Cast → scale → bias. */

import { addInitializer, addNode, int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { int64 } from '../../ir/tensor.ts'
import { isFloatConstant } from '../constants.ts'
import { matrixForm } from './layers.ts'
import type { Quantized } from './quantized-values.ts'
import type { Rewriter, Rule } from './rewriter.ts'

const FLOAT32_CODE = 1

/** Products with a constant, and of two computed matrices where the options ask for those. */
export const matmulInteger: Rule = (rewriter, node) => {
  const [a, b] = node.inputs
  const [output] = node.outputs
  if (!output || (rewriter.options.constantMatricesOnly && !b?.isConstant)) return false
  if (!rewriter.isFloat(a) || !rewriter.isFloat(b)) return false
  const input = rewriter.activation(a)
  const weight = input && rewriter.weight(b, matrixForm(rewriter, b))
  if (!weight) return false
  scaledProduct(rewriter, node, 'MatMulInteger', input, weight, output)
  return true
}

export const convInteger: Rule = (rewriter, node) => {
  const [a, b, bias] = node.inputs
  const [output] = node.outputs
  if (!rewriter.isFloat(a) || !isFloatConstant(b) || !output) return false
  const input = rewriter.activation(a)
  const weight = input && rewriter.weight(b, { qtype: rewriter.options.weightType, axis: null, reduceRange: true })
  if (!weight) return false
  const scaled = bias ? rewriter.fresh(`${output.name}quant_scaled_output`) : output
  scaledProduct(rewriter, node, 'ConvInteger', input, weight, scaled)
  if (bias) addChannelBias(rewriter, scaled, bias, b.tensor.shape.length, output)
  return true
}

function scaledProduct(
  rewriter: Rewriter,
  node: Node,
  opType: Operator,
  input: Quantized,
  weight: Quantized,
  output: Value,
): void {
  const { model, graph } = rewriter
  const sum = rewriter.fresh(`${node.outputs[0]?.name}_output_quantized`)
  const name = `${node.name}_quant`
  const inputs = [input.integers, weight.integers, input.zeroPoint, weight.zeroPoint]
  rewriter.put(node, opType, inputs, [sum])
  const float = addNode(model, graph, 'Cast', [sum], {
    name: `${sum.name}_cast`,
    output: `${sum.name}_cast_output`,
    attributes: { to: int(FLOAT32_CODE) },
  })
  const scales = addNode(model, graph, 'Mul', [input.scale, weight.scale], {
    name: `${name}_scales_mul`,
    output: `${name}_scales_mul:0`,
  })
  addNode(model, graph, 'Mul', [float, scales], { name: `${name}_output_scale_mul`, outputs: [output] })
}

function addChannelBias({ model, graph }: Rewriter, scaled: Value, bias: Value, rank: number, output: Value): void {
  const { name } = output
  const dims = Array.from({ length: rank }, (_, axis) => (axis === 1 ? -1 : 1))
  const shape = addInitializer(model, graph, `${name}_bias_reshape_shape`, int64([rank], dims))
  const reshaped = addNode(model, graph, 'Reshape', [bias, shape], { output: `${name}_bias_reshape_output` })
  addNode(model, graph, 'Add', [scaled, reshaped], { name: `${name}_bias_add`, outputs: [output] })
}
