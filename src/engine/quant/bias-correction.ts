/**
 * Takes the mean error that rounded weights cause out of the biases: b' = b − E[x]·(Ŵ − W), per output channel.
 * Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), with E[x] from calibration.
 */
import { addInitializer } from '../ir/build.ts'
import type { Model, Node, Value } from '../ir/graph.ts'
import { float32, type Tensor, view } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import { channelLayout, quantizePerChannel } from './math.ts'
import type { ConstantPlan, Plan } from './plan.ts'

/** Mean of each input channel of a node, by the node's name. */
export type InputMeans = ReadonlyMap<string, Float32Array>

/** Corrects the constant biases of planned nodes whose input means are known. The model is changed, the plan follows. */
export function correctBiases(model: Model, plan: Plan, means: InputMeans): void {
  for (const [node, planned] of plan.biases) {
    const weight = plan.constants.find((constant) => constant.node === node && constant.role === 'weight')
    const mean = means.get(node.name)
    const bias = planned.bias.tensor
    if (!weight || !mean || bias?.dtype !== 'float32' || weight.axis === null) continue
    const error = outputError(node, weight, mean)
    if (error?.length !== bias.shape[0]) continue
    const corrected = view(bias, 'float32').map((b, channel) => b - error[channel]!)
    plan.biases.set(node, { ...planned, bias: replaceBias(model, node, planned.bias, float32(bias.shape, corrected)) })
  }
}

/** A bias that other nodes read too gets a value of its own. */
function replaceBias(model: Model, node: Node, bias: Value, tensor: Tensor): Value {
  if (bias.consumers.size === 1) {
    bias.tensor = tensor
    return bias
  }
  const own = addInitializer(model, model.graph, bias.name, tensor)
  node.setInput(node.inputs.indexOf(bias), own)
  return own
}

/** Mean of (Ŵ − W)·x per output channel. */
function outputError(
  node: Node,
  { value, axis, qtype, ...spec }: ConstantPlan,
  mean: Float32Array,
): Float32Array | null {
  const tensor = value.tensor
  if (tensor?.dtype !== 'float32' || axis === null) return null
  const weights = view(tensor, 'float32')
  const { quantized, scales } = quantizePerChannel(weights, tensor.shape, axis, qtype, spec)
  const inputOf = opOf(node)?.inputChannels?.of(node, tensor.shape)
  if (!inputOf) return null
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  const error = new Float32Array(channels)
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < inner; i++) {
        const at = (o * channels + c) * inner + i
        error[c]! += (quantized[at]! * scales[c]! - weights[at]!) * mean[inputOf(o, c, i)]!
      }
    }
  }
  return error
}
