/** Clamps in front of a quantizer that saturates at the same bounds do nothing, and go. */

import { type Graph, type Node, replaceUses } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { view } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import {
  clippingRange,
  QTYPES,
  type QType,
  type QuantSpec,
  quantizeTensor,
  type ScaleZeroPoint,
  smallestScale,
} from '../quant/math.ts'
import { integersOfTensor } from '../quant/packed.ts'

/** Removes every clamp among `nodes` whose only reader is such a quantizer; results stay the same to the bit. */
export function absorbClamps(graph: Graph, nodes: Iterable<Node>): void {
  for (const node of nodes) {
    const [input] = node.inputs
    const [output] = node.outputs
    const bounds = opOf(node)?.bounds?.(node)
    if (!bounds || !input || !output || graph.outputs.includes(output)) continue
    const [reader, ...others] = output.consumers.keys()
    if (others.length > 0 || reader?.opType !== 'QuantizeLinear' || !saturates(reader, bounds)) continue
    replaceUses(output, input)
    graph.removeNode(node)
  }
}

/** Whether the quantizer maps each finite bound to the end of its type. */
function saturates(quantizer: Node, [low, high]: readonly [number, number]): boolean {
  const [scale, zero] = [quantizer.inputs[1]?.tensor, quantizer.inputs[2]?.tensor]
  if (!scale || !zero || !Object.hasOwn(QTYPES, zero.dtype)) return false
  const qtype = zero.dtype as QType
  const parameters = { scale: at(view(scale, 'float32'), 0), zeroPoint: at(integersOfTensor(zero, qtype), 0) }
  const [first, last] = QTYPES[qtype].full
  const [lowest, highest] = quantizeTensor(Float32Array.of(low, high), parameters, qtype)
  return lowest === first && highest === last
}

/** most of a scale that may be given up so that a clamp can go */
const GIVEN_UP = 0.02

/** Parameters of a clamp's result, narrowed a little where its quantizer then saturates at both bounds and replaces it. */
export function saturateWith(clamp: Node | null, parameters: ScaleZeroPoint, spec: QuantSpec): ScaleZeroPoint {
  const bounds = clamp && opOf(clamp)?.bounds?.(clamp)
  if (!bounds?.every(Number.isFinite) || spec.powerOfTwo) return parameters
  const [first, last] = clippingRange(spec.qtype, spec)
  const { scale, zeroPoint } = parameters
  const [low, high] = bounds
  const limits = [low / (first - zeroPoint + 0.5), high / (last - zeroPoint - 0.5)].filter(
    (limit) => limit > 0 && Number.isFinite(limit),
  )
  const narrowed = Math.fround(Math.min(scale, ...limits) * (1 - 2 ** -22))
  const least = Math.max(scale * (1 - GIVEN_UP), smallestScale(spec))
  return limits.length > 0 && narrowed >= least ? { scale: narrowed, zeroPoint } : parameters
}
