/** Values that some of their readers get in another type than their producer gives them. */
import { replaceUses, type Value } from '../../ir/graph.ts'
import type { ParameterValues } from '../constants.ts'
import { dequantizeOutput, quantizeInput } from '../names.ts'
import type { Marks } from './marks.ts'
import { dequantize, detach, fresh, isGraphOutput, quantize } from './pairs.ts'

export interface Converted extends ParameterValues {
  /** names of nodes; null: all */
  readers: ReadonlySet<string> | null
}

/**
 * Producer → Q → DQ → readers of the first type; Q → DQ → Q → DQ → readers of the second one. The DequantizeLinear in the middle is a
 * node of its own where both types have readers. A graph output takes the second type when all readers do.
 * Source: QDQQuantizer._add_qdq_ops_for_converted_activation.
 */
export function insertConverted(marks: Marks, value: Value, first: ParameterValues, second: Converted): void {
  const { name } = value
  const isOutput = isGraphOutput(marks, value)
  const all = [...new Set(marks.readers.get(value) ?? [])]
  const converted = new Set(all.filter((node) => second.readers?.has(node.name) ?? true))
  const allConvert = converted.size === all.length
  const source = isOutput ? detach(marks, value) : value

  const integers = quantize(marks, name, source, first)
  const firstOutput = isOutput && !allConvert ? value : fresh(marks, dequantizeOutput(name))
  if (firstOutput !== value) replaceUses(value, firstOutput, (node) => all.includes(node) && !converted.has(node))
  dequantize(marks, name, integers, first, firstOutput)

  const middle = `${name}_convert`
  const secondInput = allConvert ? firstOutput : fresh(marks, quantizeInput(middle))
  if (!allConvert) dequantize(marks, `${middle}_clone`, integers, first, secondInput)

  const secondOutput = isOutput && allConvert ? value : fresh(marks, dequantizeOutput(middle))
  if (secondOutput !== value) replaceUses(value, secondOutput, (node) => converted.has(node))
  dequantize(marks, middle, quantize(marks, middle, secondInput, second), second, secondOutput)
}
