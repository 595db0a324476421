/** Operators of QOperator models that have a kernel from integers to integers: QLinearAdd, QLinearSoftmax, … */

import { int } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { operatorCalled } from '../../ir/operators.ts'
import type { ScaleZeroPoint } from '../../quant/math.ts'
import { narrowedInput, quantizerClamps } from '../clamps.ts'
import type { ParameterValues } from '../constants.ts'
import type { Quantized } from './quantized-values.ts'
import type { Rewriter, Rule } from './rewriter.ts'

export const triple = ({ integers, scale, zeroPoint }: Quantized): Value[] => [integers, scale, zeroPoint]
export const pair = ({ scale, zeroPoint }: ParameterValues): Value[] => [scale, zeroPoint]

const domain = MICROSOFT

/** The first `count` inputs, then the parameters of the output. */
const elementwise =
  (count: number): Rule =>
  (rewriter, node) => {
    const output = rewriter.outputParameters(node.outputs[0], fixedParameters(rewriter, node))
    const inputs = output && rewriter.activations(node.inputs.slice(0, count))
    if (!inputs) return false
    rewriter.replace(
      node,
      operatorCalled(`QLinear${node.opType}`),
      [...inputs.flatMap(triple), ...pair(output)],
      output,
      { domain },
    )
    return true
  }

const fixedParameters = ({ options }: Rewriter, { opType }: Node): ScaleZeroPoint | undefined =>
  opType === 'Sigmoid' && options.nnapiSigmoid ? { scale: 1 / 256, zeroPoint: 0 } : undefined

export const unary = elementwise(1)
export const binary = elementwise(2)

export const softmax: Rule = (rewriter, node) => {
  const zeroPoint = rewriter.options.activationType === 'uint8' ? 0 : -128
  const output = rewriter.outputParameters(node.outputs[0], { scale: 1 / 256, zeroPoint })
  const input = output && rewriter.activation(node.inputs[0])
  if (!input) return false
  const attributes = new Map([...node.attributes, ['opset', int(rewriter.opset)]])
  rewriter.replace(node, 'QLinearSoftmax', [...triple(input), ...pair(output)], output, { domain, attributes })
  return true
}

export const globalAveragePool: Rule = (rewriter, node) => {
  const [value] = node.inputs
  const input = value && rewriter.written.get(value)
  if (!input) return false
  const output = rewriter.outputParameters(node.outputs[0]) ?? input
  const attributes = new Map([...node.attributes, ['channels_last', int(0)]])
  const inputs = [...triple(input), ...pair(output)]
  rewriter.replace(node, 'QLinearGlobalAveragePool', inputs, pairOf(output), { domain, attributes })
  return true
}

const pairOf = ({ scale, zeroPoint }: ParameterValues): ParameterValues => ({ scale, zeroPoint })

/** Only when asked for, like operators that move elements; the condition stays as it is. */
export const where: Rule = (rewriter, node) => {
  const [condition = null, ...branches] = node.inputs
  if (!rewriter.options.forceMovement) return false
  const output = rewriter.outputParameters(node.outputs[0])
  const inputs = output && rewriter.activations(branches)
  if (!inputs) return false
  rewriter.replace(node, 'QLinearWhere', [condition, ...inputs.flatMap(triple), ...pair(output)], output, { domain })
  return true
}

export const concat: Rule = (rewriter, node) => {
  const output = rewriter.outputParameters(node.outputs[0])
  const inputs = output && rewriter.activations(node.inputs)
  if (!inputs) return false
  rewriter.replace(node, 'QLinearConcat', [...pair(output), ...inputs.flatMap(triple)], output, { domain })
  return true
}

/** Clamps that are alone in reading their input. */
export function loneClamps({ graph }: Rewriter): Set<Node> {
  return new Set([...graph.nodes].filter((node) => narrowedInput(graph, node)))
}

/** A clamp behind a quantizer that has its range disappears; one behind the parameters of another value does not. */
export const clamp =
  (lone: ReadonlySet<Node>): Rule =>
  (rewriter, node) => {
    const { graph, options, parameters, written } = rewriter
    const [input] = node.inputs
    const [output] = node.outputs
    const quantized = input && written.get(input)
    const calibrated = input && parameters?.get(input)
    if (!quantized || !calibrated || !output || !lone.has(node) || options.activationSymmetric) return false
    if (rewriter.outputParameters(input)?.scale !== quantized.scale) return false
    if (!quantizerClamps(node, calibrated)) return false
    graph.removeNode(node)
    written.set(output, quantized)
    return true
  }
