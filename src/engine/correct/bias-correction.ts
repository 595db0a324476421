/**
 * Takes the mean error that rounded weights cause out of the biases: b' = b − E[x]·(Ŵ − W), per output channel.
 * Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), with E[x] from calibration.
 */
import { addInitializer } from '../ir/build.ts'
import type { Model, Node, Value } from '../ir/graph.ts'
import { float32, type Tensor, view } from '../ir/tensor.ts'
import { inputRole } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import type { ConstantPlan, Plan } from '../plan/plan.ts'
import { channelLayout, quantizePerChannel } from '../quant/math.ts'
import { biasOf } from './channels.ts'

/** Mean of each input channel of a node, by the node's name. */
export type InputMeans = ReadonlyMap<string, Float32Array>

/** The nodes whose bias can be corrected, by name. */
export const correctable = (plan: Plan): Set<string> =>
  new Set(weightsOf(plan).flatMap(({ node }) => (biasOf(node)?.tensor?.dtype === 'float32' ? [node.name] : [])))

const weightsOf = ({ constants }: Plan): ConstantPlan[] =>
  constants.filter(({ node, role, index }) => {
    const def = opOf(node)
    return role === 'weight' && def !== undefined && inputRole(def, index).kind === 'weight'
  })

/** Corrects the constant biases of planned nodes whose input means are known. The model is changed, the plan follows. */
export function correctBiases(model: Model, plan: Plan, means: InputMeans): void {
  for (const weight of weightsOf(plan)) {
    const { node } = weight
    const mean = means.get(node.name)
    const bias = biasOf(node)
    if (!mean || bias?.tensor?.dtype !== 'float32') continue
    const error = outputError(node, weight, mean)
    if (!error || error.length !== bias.tensor.shape[0]) continue
    const corrected = view(bias.tensor, 'float32').map((b, channel) => b - error[channel]!)
    follow(plan, node, bias, replaceBias(model, node, bias, float32(bias.tensor.shape, corrected)))
  }
}

function follow(plan: Plan, node: Node, before: Value, after: Value): void {
  const planned = plan.biases.get(node)
  if (planned) plan.biases.set(node, { ...planned, bias: after })
  plan.constants = plan.constants.map((constant) =>
    constant.node === node && constant.value === before ? { ...constant, value: after } : constant,
  )
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
function outputError(node: Node, { value, ...spec }: ConstantPlan, mean: Float32Array): Float64Array | null {
  const tensor = value.tensor
  const def = opOf(node)
  const role = def && inputRole(def, spec.index)
  const axis = role?.kind === 'weight' && tensor ? role.axis(node, tensor.shape.length) : null
  if (tensor?.dtype !== 'float32' || axis === null) return null
  const inputOf = def?.inputChannels?.of(node, tensor.shape)
  if (!inputOf) return null
  const rounded = roundingError(view(tensor, 'float32'), tensor.shape, spec)
  const { outer, channels, inner } = channelLayout(tensor.shape, axis)
  const error = new Float64Array(channels)
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++)
      for (let i = 0, at = (o * channels + c) * inner; i < inner; i++, at++)
        error[c]! += rounded[at]! * mean[inputOf(o, c, i)]!
  return error
}

type Spec = Omit<ConstantPlan, 'value'>

/** Ŵ − W, with one scale per index of the plan's axis or one for the whole tensor. */
function roundingError(weights: Float32Array, shape: readonly number[], { axis, qtype, ...spec }: Spec): Float32Array {
  const [as, along] = axis === null ? [[1, weights.length], 0] : [shape, axis]
  const { quantized, scales, zeroPoints } = quantizePerChannel(weights, as, along, qtype, spec)
  const { channels, inner } = channelLayout(as, along)
  return weights.map((w, at) => {
    const channel = Math.floor(at / inner) % channels
    return (quantized[at]! - zeroPoints[channel]!) * scales[channel]! - w
  })
}
