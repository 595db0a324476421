/** Writes the marks into the graph as QuantizeLinear / DequantizeLinear. */
import { float } from '../../ir/build.ts'
import { type Node, replaceUses, type Value } from '../../ir/graph.ts'
import { type Tensor, view } from '../../ir/tensor.ts'
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
import { dequantizeOutput } from '../names.ts'
import { type Converted, insertConverted } from './convert.ts'
import type { BiasMark, Marks } from './marks.ts'
import { dequantize, fresh, insertDedicatedPairs, insertPair, onlyIn, quantize } from './pairs.ts'
import type { Weights } from './weights.ts'

/** The parameters that every quantized value got. */
type Written = Map<Value, ParameterValues & { converted?: Converted }>

export function insertPairs(marks: Marks, weights: Weights): void {
  const written: Written = new Map()
  for (const [value, { sharedWith }] of marks.tensors) {
    if (sharedWith || marks.dequantized.has(value)) continue
    const parameters = weights.get(value)
    if (isFloatConstant(value) && parameters) written.set(value, insertConstant(marks, value, parameters))
    else insertActivation(marks, value, calibratedParameters(marks, value), written)
  }
  insertShared(marks, written)
  if (marks.options.quantizeBias) for (const [bias, mark] of marks.biases) insertBias(marks, bias, mark, written)
}

function insertConstant(marks: Marks, value: Value & { tensor: Tensor }, parameters: ConstantParameters) {
  const { model, options } = marks
  const { name, tensor } = value
  const values = addParameters(model, name, parameters)
  const output = fresh(marks, dequantizeOutput(name))
  replaceUses(value, output, onlyIn(marks))
  const integers = options.pairOnWeights
    ? quantize(marks, name, value, values, parameters)
    : addIntegers(model, name, quantizeConstant(tensor, parameters))
  dequantize(marks, name, integers, values, output, parameters)
  return values
}

function calibratedParameters({ model, parameters }: Marks, value: Value): ParameterValues {
  const calibrated = parameters.get(value)
  if (!calibrated) throw new Error(`value "${value.name}" was not calibrated`)
  return addScalarParameters(model, value.name, calibrated)
}

/** Values that take their parameters from another one wait until that one has them. */
function insertShared(marks: Marks, written: Written): void {
  const waiting = new Map(
    [...marks.tensors].flatMap(([value, { sharedWith }]) => (sharedWith ? [[value, sharedWith]] : [])),
  )
  for (let before = -1; waiting.size !== before; ) {
    before = waiting.size
    for (const [value, { value: source, node }] of waiting) {
      if (!written.has(source)) continue
      waiting.delete(value)
      insertActivation(marks, value, writtenFor(written, source, node)!, written)
    }
  }
}

/** What the node reads the value with. */
function writtenFor(written: Written, value: Value, { name }: Node): ParameterValues | undefined {
  const values = written.get(value)
  const converted = values?.converted
  return converted && (converted.readers?.has(name) ?? true) ? converted : values
}

function insertActivation(marks: Marks, value: Value, values: ParameterValues, written: Written): void {
  const { model, options, parameters } = marks
  const readers = marks.readers.get(value) ?? []
  const second = parameters.get(value)?.converted
  if (second) {
    const converted = { ...addScalarParameters(model, value.name, second, '_convert'), readers: second.readers }
    insertConverted(marks, value, values, converted)
    written.set(value, { ...values, converted })
    return
  }
  if (options.dedicatedPairs && readers.length > 1) insertDedicatedPairs(marks, value, values, readers)
  else insertPair(marks, value, values)
  written.set(value, values)
}

function insertBias(marks: Marks, bias: Value, { node, input, weight, beta }: BiasMark, written: Written): void {
  const { model, graph } = marks
  const inputScale = writtenFor(written, input, node)?.scale.tensor
  const weightScale = written.get(weight)?.scale.tensor
  if (written.has(bias) || !bias.tensor || !inputScale || !weightScale || weightScale.shape.length > 1) return
  const scales = view(weightScale, 'float32')
  if (!biasFits(bias.tensor, scales.length)) return
  const inputStep = view(inputScale, 'float32')[0]!
  const { quantized, axis, ...values } = addBias(model, bias.name, bias.tensor, inputStep, scales, beta)
  if (beta !== 1) node.attributes.set('beta', float(1))
  graph.initializers.delete(bias)
  bias.tensor = undefined
  dequantize(marks, bias.name, quantized, values, bias, { axis })
}
