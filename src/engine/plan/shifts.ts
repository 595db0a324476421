/**
 * Scales that are powers of two turn rescaling into shifts, of which hardware has only so many. A scale that would need another shift
 * grows until it does not. Source: AMD Quark, position constraints of the NPU_CNN platform.
 */
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import { type QuantSpec, type ScaleZeroPoint, scaleZeroPointOf } from '../quant/math.ts'
import type { GroupParameters } from './parameters.ts'
import type { ConstantPlan, Plan, ShiftLimits } from './plan.ts'

/** A change of one output can break the rule of the next layer, whose change can do no more than that again. */
const ROUNDS = 5

interface Layer {
  input: ScaleZeroPoint
  output: ScaleZeroPoint | undefined
  weight: ConstantPlan
  bias: ConstantPlan | undefined
}

/** Enlarges the scales of computed values in place. Returns the smallest scales that constants may have. */
export function fitShifts(
  plan: Plan,
  grouped: ReadonlyMap<unknown, GroupParameters>,
  limits: ShiftLimits,
): Map<ConstantPlan, number> {
  const least = new Map<ConstantPlan, number>()
  const layers = [...plan.nodes].flatMap((node) => layerOf(node, plan, grouped))
  const scaleOf = (constant: ConstantPlan) => least.get(constant) ?? ownScale(constant)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { input, output, weight, bias } of layers) {
      const product = () => positionOf(input.scale) + positionOf(scaleOf(weight))
      const cut = () => (output ? product() - positionOf(output.scale) : 0)
      if (output && cut() < limits.cut[0]!) output.scale = scaleAt(product() - limits.cut[0]!)
      if (output && cut() > limits.cut[1]!)
        least.set(weight, scaleAt(limits.cut[1]! + positionOf(output.scale) - positionOf(input.scale)))
      if (!bias) continue
      const shift = product() - positionOf(scaleOf(bias))
      const lowest = lowestBiasShift(limits, cut())
      if (shift > limits.bias[1]!)
        least.set(weight, scaleAt(limits.bias[1]! + positionOf(scaleOf(bias)) - positionOf(input.scale)))
      if (shift < lowest) least.set(bias, scaleAt(product() - lowest))
    }
  }
  return least
}

export const lowestBiasShift = ({ bias }: ShiftLimits, cut: number): number => Math.min(0, bias[0]! + cut)

const positionOf = (scale: number): number => -Math.log2(scale)
const scaleAt = (position: number): number => 2 ** -position

function ownScale({ value, qtype, ...spec }: ConstantPlan): number {
  const options: Omit<QuantSpec, 'qtype'> = spec
  return value.tensor?.dtype === 'float32' ? scaleZeroPointOf(view(value.tensor, 'float32'), qtype, options).scale : 1
}

function layerOf(node: Node, plan: Plan, grouped: ReadonlyMap<unknown, GroupParameters>): Layer[] {
  if (opOf(node)?.class !== 'multiply') return []
  const input = node.inputs[0] && grouped.get(node.inputs[0])
  const [weight, bias] = [1, 2].map((index) => plan.constants.find((one) => one.node === node && one.index === index))
  return input && weight ? [{ input, output: outputOf(node, grouped), weight, bias }] : []
}

/** Parameters of the result, behind the clamp that the operator absorbs. */
function outputOf(node: Node, grouped: ReadonlyMap<unknown, GroupParameters>): GroupParameters | undefined {
  const [value] = node.outputs
  const [reader] = value?.consumers.keys() ?? []
  const clamped = reader && opOf(reader)?.class === 'clamp' ? reader.outputs[0] : null
  return grouped.get(value) ?? (clamped ? grouped.get(clamped) : undefined)
}
