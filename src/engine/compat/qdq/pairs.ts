/** QuantizeLinear and DequantizeLinear by the names that onnxruntime.quantization gives them. */
import { addNode, int } from '../../ir/build.ts'
import { freshName, type Node, replaceUses, Value } from '../../ir/graph.ts'
import type { ParameterValues } from '../constants.ts'
import { dequantizeNode, dequantizeOutput, quantizeInput, quantizeNode, quantizeOutput } from '../names.ts'
import type { Marks } from './marks.ts'

/** How the parameters lie in the tensor; nothing: one pair for all of it. */
export interface Layout {
  axis: number | null
  blockSize?: number | null
}
const WHOLE: Layout = { axis: null }

export function quantize(
  { model, graph, options: { domain } }: Marks,
  name: string,
  source: Value,
  { scale, zeroPoint }: ParameterValues,
  layout = WHOLE,
  suffix = '',
): Value {
  return addNode(model, graph, 'QuantizeLinear', [source, scale, zeroPoint], {
    name: quantizeNode(name) + suffix,
    output: quantizeOutput(name) + suffix,
    domain,
    attributes: attributesOf(layout),
  })
}

export function dequantize(
  { model, graph, options: { domain } }: Marks,
  name: string,
  integers: Value,
  { scale, zeroPoint }: ParameterValues,
  output: Value,
  layout = WHOLE,
  suffix = '',
): void {
  addNode(model, graph, 'DequantizeLinear', [integers, scale, zeroPoint], {
    name: dequantizeNode(name) + suffix,
    outputs: [output],
    domain,
    attributes: attributesOf(layout),
  })
}

const attributesOf = ({ axis, blockSize }: Layout) => ({
  ...(axis !== null && { axis: int(axis) }),
  ...(blockSize && { block_size: int(blockSize) }),
})

export const onlyIn =
  ({ graph }: Marks) =>
  (node: Node): boolean =>
    graph.nodes.has(node)

export const fresh = ({ model }: Marks, name: string): Value => new Value(freshName(model, name))

export const isGraphOutput = ({ graph }: Marks, value: Value): boolean =>
  graph.outputs.includes(value) && value.producer !== null

/** Between a value and its readers, or between its producer and a graph output. */
export function insertPair(marks: Marks, value: Value, values: ParameterValues): void {
  const isOutput = isGraphOutput(marks, value)
  const source = isOutput ? detach(marks, value) : value
  const output = isOutput ? value : fresh(marks, dequantizeOutput(value.name))
  if (!isOutput) replaceUses(value, output, onlyIn(marks))
  dequantize(marks, value.name, quantize(marks, value.name, source, values), values, output)
}

export function insertDedicatedPairs(
  marks: Marks,
  value: Value,
  values: ParameterValues,
  readers: readonly Node[],
): void {
  readers.forEach((node, i) => {
    const { name } = value
    const suffix = `_${i + 1}`
    const output = fresh(marks, dequantizeOutput(name) + suffix)
    replaceUses(value, output, (reader) => reader === node)
    const integers = quantize(marks, name, value, values, WHOLE, suffix)
    dequantize(marks, name, integers, values, output, WHOLE, suffix)
  })
}

/** Another value takes the place of a graph output behind its producer; the output keeps its name behind the DequantizeLinear. */
export function detach({ model }: Marks, value: Value): Value {
  const source = new Value(freshName(model, quantizeInput(value.name)), value.dtype, value.shape)
  const { producer } = value
  producer?.setOutput(producer.outputs.indexOf(value), source)
  return source
}
