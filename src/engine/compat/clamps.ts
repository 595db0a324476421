/** Clamps that the quantizer of their output makes superfluous. */

import type { Graph, Node, Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { view } from '../ir/tensor.ts'
import { QTYPES } from '../quant/math.ts'
import type { TypedParameters } from './constants.ts'

const CLAMPS = new Set<Operator>(['Clip', 'Relu'])

/** The input whose range a clamp narrows to its own output's: nobody else sees it. */
export function narrowedInput(graph: Graph, node: Node): Value | null {
  const [source] = node.inputs
  if (!source || !CLAMPS.has(node.opType) || graph.outputs.includes(source)) return null
  return readersOf(source) === 1 ? source : null
}

/** How many inputs read the value, those of subgraphs included. */
const readersOf = ({ consumers }: Value): number => [...consumers.values()].reduce((sum, count) => sum + count, 0)

/**
 * Whether integers of these parameters cannot leave the clamp's bounds by more than a step. ONNX Runtime does not ask: with
 * ranges made symmetric, or bounds on one side of zero, it removes clamps that nothing replaces.
 */
export function quantizerClamps(node: Node, { qtype, scale, zeroPoint }: TypedParameters): boolean {
  const [qmin, qmax] = QTYPES[qtype].full
  const [low, high] = boundsOf(node)
  return (qmin - zeroPoint) * scale >= low - scale && (qmax - zeroPoint) * scale <= high + scale
}

function boundsOf(node: Node): readonly [number, number] {
  if (node.opType === 'Relu') return [0, Number.POSITIVE_INFINITY]
  return [bound(node, 1, 'min', Number.NEGATIVE_INFINITY), bound(node, 2, 'max', Number.POSITIVE_INFINITY)]
}

/** NaN, which nothing satisfies, for a bound that is computed. */
function bound(node: Node, index: number, attribute: string, otherwise: number): number {
  const value = node.inputs[index]
  if (!value) return node.float(attribute, otherwise)
  const tensor = value.tensor ?? value.producer?.tensor('value')
  return tensor?.dtype === 'float32' ? view(tensor, 'float32')[0]! : Number.NaN
}
