/** Inputs that always have one value: what they decide is decided when the model is prepared. */

import type { InputValue } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { addInitializer } from '../ir/build.ts'
import type { DType } from '../ir/dtype.ts'
import { type Model, replaceUses, type Value } from '../ir/graph.ts'
import { elementCount, type Tensor, tensorOf } from '../ir/tensor.ts'

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const satisfies Partial<Record<DType, unknown>>

/**
 * Whoever read one of these inputs reads a constant from here on; the input itself stays, so that callers need not change. Throws
 * invalid_request for a stranger, a type without numbers, and numbers that do not fill the input's shape.
 */
export function fixValues(model: Model, values: Readonly<Record<string, InputValue>>): void {
  const { inputs } = model.graph
  for (const [name, given] of Object.entries(values)) {
    const input = inputs.find((candidate) => candidate.name === name)
    if (!input)
      throw refusal(name, `the model has no input "${name}": it has ${inputs.map((own) => own.name).join(', ')}`)
    replaceUses(input, addInitializer(model, model.graph, `${name}_fixed`, constantFor(input, [given].flat())))
  }
}

function constantFor({ name, dtype, shape }: Value, numbers: readonly (number | boolean)[]): Tensor {
  const dims = shape?.length ? shape.map((dim) => (typeof dim === 'number' ? dim : numbers.length)) : []
  if (!shape || elementCount(dims) !== numbers.length) {
    const declared = shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : 'unknown'
    throw refusal(name, `input "${name}" has the shape ${declared}, which ${numbers.length} numbers do not fill`)
  }
  const broken = numbers.find((x) => !dtype?.startsWith('float') && !Number.isInteger(Number(x)))
  if (broken !== undefined) throw refusal(name, `${broken} is no ${dtype}, which input "${name}" takes`)
  if (dtype === 'int64' || dtype === 'uint64')
    return tensorOf(dtype, dims, BigInt64Array.from(numbers.map((x) => BigInt(Number(x)))))
  const Elements = dtype && Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype as keyof typeof ARRAYS] : undefined
  if (!dtype || !Elements) throw refusal(name, `input "${name}" of type ${dtype ?? 'unknown'} cannot be fixed`)
  const elements = new Elements(numbers.map(Number))
  const lost = numbers.find((x, i) => !dtype.startsWith('float') && elements[i] !== Number(x))
  if (lost !== undefined) throw refusal(name, `${lost} is no ${dtype}, which input "${name}" takes`)
  return tensorOf(dtype, dims, elements)
}

const refusal = (name: string, detail: string): FewbitError =>
  new FewbitError('invalid_request', detail, {
    param: `/input_values/${name}`,
    hint: 'give a number, or a list that fills the shape: {"input_values": {"sr": 16000}}',
  })
