/** Per operator: which of its tensors QDQQuantizer quantizes, and how. */

import type { Node, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { view } from '../../ir/tensor.ts'
import { QTYPES } from '../../quant/math.ts'
import { narrowedInput, quantizerClamps } from '../clamps.ts'
import { opsetOf } from '../opset.ts'
import { overrideOf } from '../overrides.ts'
import type { Marks } from './marks.ts'

type Rule = (marks: Marks, node: Node) => void

const quantizesOutput = ({ options }: Marks, { opType }: Node): boolean => !options.floatOutputsOf.includes(opType)

function outputs(marks: Marks, node: Node): void {
  if (quantizesOutput(marks, node)) for (const value of node.outputs) marks.activation(value)
}

const everything: Rule = (marks, node) => {
  for (const value of node.inputs) marks.activation(value)
  outputs(marks, node)
}

function weighted(axisOf: (node: Node) => number, sumAxisOf?: (node: Node) => number): Rule {
  return (marks, node) => {
    marks.activation(node.inputs[0])
    outputs(marks, node)
    marks.weight(node.inputs[1], marks.channelAxis(node.inputs[1], axisOf(node)), sumAxisOf?.(node))
    marks.bias(node, 2, node.opType === 'Gemm' ? node.float('beta', 1) : 1)
  }
}

const isTransposed = (node: Node): boolean => node.int('transB', 0) > 0
const gemm = weighted(
  (node) => (isTransposed(node) ? 0 : 1),
  (node) => (isTransposed(node) ? 1 : 0),
)

/** Stacks of matrices have one scale: no integer kernel takes one per column of a stack. */
const matmulAxis = (marks: Marks, value: Value): number | null =>
  value.tensor?.shape.length === 2 ? marks.channelAxis(value, marks.options.channelAxes.MatMul ?? 1) : null

const matmul: Rule = (marks, node) => {
  node.inputs.forEach((value, index) => {
    if (!value?.isConstant) marks.activation(value)
    else if (losesBlocks(marks, value)) marks.weight(value, index === 1 && value.tensor?.shape.length === 2 ? 1 : null)
    else marks.weight(value, matmulAxis(marks, value), 1 - index)
  })
  outputs(marks, node)
}

/** ONNX Runtime makes QLinearMatMul of 8-bit weights in blocks, which then refuses to run: they get one scale per column. */
const losesBlocks = ({ options }: Marks, { name }: Value): boolean =>
  options.blockSize !== undefined && QTYPES[overrideOf(options.overrides, name).qtype ?? options.weightType].bits === 8

const normalization: Rule = (marks, node) => {
  const [input, scale] = node.inputs
  marks.activation(input)
  if (scale?.isConstant) marks.weight(scale, marks.channelAxis(scale, marks.options.channelAxes[node.opType] ?? 1))
  else marks.activation(scale)
  marks.bias(node, 2)
  outputs(marks, node)
}

const clamp: Rule = (marks, node) => {
  const [input] = node.inputs
  if (!marks.isMarked(input)) return
  if (becomesProducer(marks, node, input)) marks.removed.add(node)
  else marks.activation(input)
  outputs(marks, node)
}

/** Lets the clamp's producer write the clamp's output, where the quantizer behind it does the clamping. */
function becomesProducer(marks: Marks, node: Node, input: Value): boolean {
  const { graph, options, parameters, tensors } = marks
  const [output] = node.outputs
  const { producer } = input
  if (options.activationSymmetric || options.keepClamps || !producer || !output) return false
  const quantizer = parameters.get(output)
  if (quantizer?.converted || parameters.get(input)?.converted) return false
  if (!quantizer || !narrowedInput(graph, node) || !quantizerClamps(node, quantizer)) return false
  producer.setOutput(producer.outputs.indexOf(input), output)
  tensors.delete(input)
  return true
}

const movement: Rule = (marks, node) => {
  const [input] = node.inputs
  if (marks.options.forceMovement) marks.activation(input)
  else if (!marks.isMarked(input)) return
  if (quantizesOutput(marks, node)) marks.sameAs(node.outputs[0], input, node)
}

/** Older versions of the operator know no integers. */
const movementFrom =
  (opset: number): Rule =>
  (marks, node) => {
    if (opsetOf(marks.model) >= opset) movement(marks, node)
  }

const gather: Rule = (marks, node) => {
  const [input] = node.inputs
  if ((input?.isConstant && marks.isFloat(input)) || marks.options.forceMovement) marks.activation(input)
  else if (!marks.isMarked(input)) return
  marks.sameAs(node.outputs[0], input, node)
}

const split: Rule = (marks, node) => {
  const [input] = node.inputs
  if (!marks.isMarked(input)) marks.activation(input)
  if (quantizesOutput(marks, node)) for (const value of node.outputs) marks.sameAs(value, input, node)
}

const pad: Rule = (marks, node) => {
  for (const value of node.inputs) marks.activation(value)
  if (!quantizesOutput(marks, node)) return
  if (padsWithValuesOfInput(node)) marks.sameAs(node.outputs[0], node.inputs[0], node)
  else marks.activation(node.outputs[0])
}

/** Every range holds 0. */
function padsWithValuesOfInput(node: Node): boolean {
  if (['reflect', 'edge', 'wrap'].includes(node.string('mode', 'constant'))) return true
  const filler = node.inputs[2]
  if (!filler) return true
  return filler.tensor?.dtype === 'float32' && view(filler.tensor, 'float32')[0] === 0
}

const where: Rule = (marks, node) => {
  const [, ...branches] = node.inputs
  if (marks.options.forceMovement) for (const value of branches) marks.activation(value)
  if (branches.every((value) => marks.isMarked(value))) outputs(marks, node)
}

/** Every operator that is not here quantizes all its inputs and outputs. Source: QDQRegistry. */
const RULES: ReadonlyMap<Operator, Rule> = new Map<Operator, Rule>([
  ['Conv', weighted(() => 0)],
  ['ConvTranspose', weighted(() => 1)],
  ['Gemm', gemm],
  ['MatMul', matmul],
  ['Clip', clamp],
  ['Relu', clamp],
  ['Gather', gather],
  ['GatherElements', gather],
  ['Split', split],
  ['Pad', pad],
  ['Where', where],
  ...(['InstanceNormalization', 'LayerNormalization', 'BatchNormalization'] as const).map(
    (name) => [name, normalization] as const,
  ),
  ...(['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'AveragePool', 'Slice'] as const).map(
    (name) => [name, movement] as const,
  ),
  ['TopK', movement],
  ['MaxPool', movementFrom(12)],
  ['Resize', movementFrom(11)],
])

export const markNode: Rule = (marks, node) => (RULES.get(node.opType) ?? everything)(marks, node)
