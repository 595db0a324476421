/** Writes the marks into the graph as QuantizeLinear / DequantizeLinear. */
import { addNode, float, int } from '../../ir/build.ts'
import { freshName, type Node, replaceUses, Value } from '../../ir/graph.ts'
import type { Tensor } from '../../ir/tensor.ts'
import { view } from '../../ir/tensor.ts'
import {
  addIntegers,
  addParameters,
  addScalarParameters,
  type ConstantParameters,
  isFloatConstant,
  type ParameterValues,
  quantizeConstant,
} from '../constants.ts'
import { addBias, biasFits } from '../int32-bias.ts'
import { dequantizeNode, dequantizeOutput, quantizeInput, quantizeNode, quantizeOutput } from '../names.ts'
import type { BiasMark, Marks } from './marks.ts'
import type { Weights } from './weights.ts'

/** The parameters that every quantized value got. */
type Written = Map<Value, ParameterValues>

export function insertPairs(marks: Marks, weights: Weights): void {
  const written: Written = new Map()
  for (const [value, { sharedWith }] of marks.tensors) {
    if (sharedWith || marks.dequantized.has(value)) continue
    const parameters = weights.get(value)
    if (isFloatConstant(value) && parameters) written.set(value, insertConstant(marks, value, parameters))
    else written.set(value, insertCalibrated(marks, value))
  }
  insertShared(marks, written)
  if (marks.options.quantizeBias) for (const [bias, mark] of marks.biases) insertBias(marks, bias, mark, written)
}

const onlyIn =
  ({ graph }: Marks) =>
  (node: Node): boolean =>
    graph.nodes.has(node)

function insertConstant(marks: Marks, value: Value & { tensor: Tensor }, parameters: ConstantParameters) {
  const { model, options } = marks
  const { name, tensor } = value
  const { axis } = parameters
  const values = addParameters(model, name, parameters)
  const output = new Value(freshName(model, dequantizeOutput(name)))
  replaceUses(value, output, onlyIn(marks))
  const integers = options.pairOnWeights
    ? quantize(marks, name, value, values, axis)
    : addIntegers(model, name, quantizeConstant(tensor, parameters))
  dequantize(marks, name, integers, values, output, axis)
  return values
}

function insertCalibrated(marks: Marks, value: Value): ParameterValues {
  const parameters = marks.parameters.get(value)
  if (!parameters) throw new Error(`value "${value.name}" was not calibrated`)
  const values = addScalarParameters(marks.model, value.name, marks.options.activationType, parameters)
  insertActivation(marks, value, values)
  return values
}

/** Values that take their parameters from another one wait until that one has them. */
function insertShared(marks: Marks, written: Written): void {
  const waiting = new Map(
    [...marks.tensors].flatMap(([value, { sharedWith }]) => (sharedWith ? [[value, sharedWith]] : [])),
  )
  for (let before = -1; waiting.size !== before; ) {
    before = waiting.size
    for (const [value, source] of waiting) {
      const values = written.get(source)
      if (!values) continue
      waiting.delete(value)
      insertActivation(marks, value, values)
      written.set(value, values)
    }
  }
}

function insertActivation(marks: Marks, value: Value, values: ParameterValues): void {
  const readers = marks.readers.get(value) ?? []
  if (marks.options.dedicatedPairs && readers.length > 1) insertDedicated(marks, value, values, readers)
  else insertPair(marks, value, values)
}

function insertPair(marks: Marks, value: Value, values: ParameterValues): void {
  const { model, graph } = marks
  const isOutput = graph.outputs.includes(value) && value.producer !== null
  const source = isOutput ? detach(marks, value) : value
  const output = isOutput ? value : new Value(freshName(model, dequantizeOutput(value.name)))
  if (!isOutput) replaceUses(value, output, onlyIn(marks))
  dequantize(marks, value.name, quantize(marks, value.name, source, values, null), values, output, null)
}

function insertDedicated(marks: Marks, value: Value, values: ParameterValues, readers: readonly Node[]): void {
  readers.forEach((node, i) => {
    const { name } = value
    const suffix = `_${i + 1}`
    const output = new Value(freshName(marks.model, dequantizeOutput(name) + suffix))
    replaceUses(value, output, (reader) => reader === node)
    const integers = quantize(marks, name, value, values, null, suffix)
    dequantize(marks, name, integers, values, output, null, suffix)
  })
}

/** Another value takes the place of a graph output behind its producer; the output keeps its name behind the DequantizeLinear. */
function detach({ model }: Marks, value: Value): Value {
  const source = new Value(freshName(model, quantizeInput(value.name)), value.dtype, value.shape)
  const { producer } = value
  producer?.setOutput(producer.outputs.indexOf(value), source)
  return source
}

function insertBias(marks: Marks, bias: Value, { node, input, weight, beta }: BiasMark, written: Written): void {
  const { model, graph } = marks
  const inputScale = written.get(input)?.scale.tensor
  const weightScale = written.get(weight)?.scale.tensor
  if (written.has(bias) || !bias.tensor || !inputScale || !weightScale) return
  const scales = view(weightScale, 'float32')
  if (!biasFits(bias.tensor, scales.length)) return
  const { quantized, axis, ...values } = addBias(
    model,
    bias.name,
    bias.tensor,
    view(inputScale, 'float32')[0],
    scales,
    beta,
  )
  if (beta !== 1) node.attributes.set('beta', float(1))
  graph.initializers.delete(bias)
  bias.tensor = undefined
  dequantize(marks, bias.name, quantized, values, bias, axis)
}

const axisAttribute = (axis: number | null) => (axis === null ? {} : { attributes: { axis: int(axis) } })

function quantize(
  { model, graph, options }: Marks,
  name: string,
  source: Value,
  { scale, zeroPoint }: ParameterValues,
  axis: number | null,
  suffix = '',
): Value {
  return addNode(model, graph, 'QuantizeLinear', [source, scale, zeroPoint], {
    name: quantizeNode(name) + suffix,
    output: quantizeOutput(name) + suffix,
    domain: options.domain,
    ...axisAttribute(axis),
  })
}

function dequantize(
  { model, graph, options }: Marks,
  name: string,
  integers: Value,
  { scale, zeroPoint }: ParameterValues,
  output: Value,
  axis: number | null,
  suffix = '',
): void {
  addNode(model, graph, 'DequantizeLinear', [integers, scale, zeroPoint], {
    name: dequantizeNode(name) + suffix,
    outputs: [output],
    domain: options.domain,
    ...axisAttribute(axis),
  })
}
