/** Inputs and outputs that are no tensors of numbers: no data set holds them, and ONNX Runtime hands none of them over here. */
import { FewbitError } from '../../shared/errors.ts'
import type { Model, Value } from './graph.ts'

/** Fields of a TypeProto, by the byte in front of them. Source: onnx.proto, TypeProto. */
const KINDS: Readonly<Record<number, string>> = {
  34: 'a sequence',
  42: 'a map',
  66: 'a sparse tensor',
  74: 'optional',
}

/** What the value is instead of a tensor; null where it is one. */
const kindOf = ({ opaqueType }: Value): string | null =>
  opaqueType ? (KINDS[opaqueType[0] ?? 0] ?? 'of a type that is no tensor') : null

/** Throws model_signature_unsupported for inputs that are strings or no tensors, and outputs that are no tensors, with the way to export. */
export function refuseBorders({ graph: { inputs, outputs, initializers } }: Model): void {
  for (const value of inputs) if (!initializers.has(value)) refuseInput(value)
  for (const value of outputs) refuseOutput(value)
}

function refuseInput(value: Value): void {
  const kind = kindOf(value)
  if (kind) refuse(`input "${value.name}" is ${kind}`, 'export the model with one input for each tensor')
  if (value.dtype === 'string')
    refuse(
      `input "${value.name}" holds strings, which a data set of arrays of numbers cannot give`,
      'export the part behind the text preprocessing, so that its inputs are numbers: token ids, or the codes of categories',
    )
}

function refuseOutput(value: Value): void {
  const kind = kindOf(value)
  const { producer } = value
  if (!kind) return
  if (producer?.opType === 'ZipMap')
    refuse(
      `output "${value.name}" is ${kind} of maps, which ZipMap${producer.name ? ` "${producer.name}"` : ''} makes of a tensor of probabilities`,
      'export the model without ZipMap (skl2onnx: options={"zipmap": False}): the probabilities are a tensor then',
    )
  const maker = producer ? `, written by ${producer.opType} "${producer.name}"` : ''
  refuse(
    `output "${value.name}" is ${kind}${maker}`,
    'export the model with an output for each tensor (ConcatFromSequence joins the tensors of a sequence)',
  )
}

function refuse(problem: string, hint: string): never {
  const detail = `The ${problem}. Only tensors of numbers go in and only tensors come out of a model that is quantized here.`
  throw new FewbitError('model_signature_unsupported', detail, { hint })
}
