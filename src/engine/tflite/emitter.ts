/** What lowerings write with: tensors that know how they lie in memory, and the operators that bring them into another order. */
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf } from '../ir/dtype.ts'
import type { Node, Value } from '../ir/graph.ts'
import { bytesOf, type Tensor, view } from '../ir/tensor.ts'
import { type ElementType, isElementType, type OperatorCode } from './codes.ts'
import { type OperatorNode, type Quantization, sameQuantization, type TensorNode } from './network.ts'
import { arrange, identity, longAxes, type Order, permute, sameOrder } from './order.ts'
import type { Options } from './schema.ts'

/** A value in the network: the tensor, and the ONNX axis of each of its axes. */
export interface Stored {
  tensor: TensorNode
  /** the ONNX shape */
  shape: readonly number[]
  order: Order
  /** of a flattened value: what its last axis was before, in ONNX and in memory; whoever multiplies with it permutes the weights */
  flattened?: { shape: readonly number[]; order: Order }
}

export interface Emitter {
  operators: OperatorNode[]
  /** the ONNX node whose operators are written */
  origin: string
  memo: Map<TensorNode, Map<string, TensorNode>>
  names: Set<string>
  constants: Map<string, TensorNode>
}

export const createEmitter = (): Emitter => ({
  operators: [],
  origin: '',
  memo: new Map(),
  names: new Set(),
  constants: new Map(),
})

/** Throws model_not_convertible that names the node. */
export function refuse({ name, opType }: Node, reason: string, hint?: string): never {
  throw new FewbitError(
    'model_not_convertible',
    `node "${name}" (${opType}) has no form in TensorFlow Lite: ${reason}`,
    {
      stage: 'convert',
      ...(hint && { hint }),
    },
  )
}

/** The shape of a value. Throws model_not_convertible where a dimension is not fixed. */
export function fixedShape(value: Value): readonly number[] {
  const { shape, name } = value
  if (shape?.every((dim) => typeof dim === 'number')) return shape as readonly number[]
  throw new FewbitError(
    'model_not_convertible',
    `value "${name}" has the shape ${shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : 'unknown'}, and TensorFlow Lite needs every dimension fixed`,
    {
      stage: 'convert',
      param: '/input_shapes',
      hint: 'fix the shapes of the inputs: {"input_shapes": {"x": [1, 3, 224, 224]}}',
    },
  )
}

const freshName = ({ names }: Emitter, base: string): string => {
  let name = base
  for (let i = 1; names.has(name); i++) name = `${base}_${i}`
  names.add(name)
  return name
}

export const newTensor = (emitter: Emitter, base: string, tensor: Omit<TensorNode, 'name' | 'data'>): TensorNode => ({
  ...tensor,
  name: freshName(emitter, base),
  data: null,
})

/** A constant of the network; equal small ones are one. */
export function constant(emitter: Emitter, base: string, tensor: Omit<TensorNode, 'name'>): TensorNode {
  const { data, type, shape, quantization } = tensor
  const key =
    data instanceof Uint8Array && data.length <= SMALL ? JSON.stringify([type, shape, quantization, [...data]]) : null
  const found = key === null ? undefined : emitter.constants.get(key)
  if (found) return found
  const made = { ...tensor, name: freshName(emitter, base) }
  if (key !== null) emitter.constants.set(key, made)
  return made
}

const SMALL = 64

const asBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength)

export const int32s = (
  emitter: Emitter,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): TensorNode =>
  constant(emitter, 'numbers', { type: 'int32', shape, data: asBytes(Int32Array.from(values)), quantization: null })

export const floats = (
  emitter: Emitter,
  base: string,
  values: ArrayLike<number>,
  shape: readonly number[],
): TensorNode =>
  constant(emitter, base, { type: 'float32', shape, data: asBytes(Float32Array.from(values)), quantization: null })

export const integers = (
  emitter: Emitter,
  base: string,
  array: Int8Array | Int16Array | Int32Array,
  shape: readonly number[],
  quantization: Quantization,
): TensorNode => {
  const type = array instanceof Int8Array ? 'int8' : array instanceof Int16Array ? 'int16' : 'int32'
  return constant(emitter, base, { type, shape, data: asBytes(array), quantization })
}

export function emit(
  emitter: Emitter,
  code: OperatorCode,
  inputs: readonly (TensorNode | null)[],
  outputs: readonly TensorNode[],
  options: Options | null = null,
): void {
  emitter.operators.push({ code, inputs, outputs, options, origin: emitter.origin })
}

/** A tensor made of another one by one operator, made once. */
function derived(emitter: Emitter, from: TensorNode, key: string, make: () => TensorNode): TensorNode {
  const known = emitter.memo.get(from) ?? new Map<string, TensorNode>()
  emitter.memo.set(from, known)
  const tensor = known.get(key) ?? make()
  known.set(key, tensor)
  return tensor
}

/** The stored value with its axes in `order`: as it is, with a new shape, or transposed; a constant is moved here and now. */
export function bring(emitter: Emitter, stored: Stored, order: Order): TensorNode {
  const { tensor, shape } = stored
  const wanted = arrange(shape, order)
  if (tensor.data)
    return sameOrder(order, stored.order) ? reshapeTo(emitter, tensor, wanted) : movedConstant(emitter, stored, order)
  if (sameOrder(longAxes(order, shape), longAxes(stored.order, shape))) return reshapeTo(emitter, tensor, wanted)
  const full = reshapeTo(emitter, tensor, arrange(shape, stored.order))
  const perm = order.map((axis) => stored.order.indexOf(axis))
  return derived(emitter, full, `transpose ${perm}`, () => {
    const output = newTensor(emitter, `${tensor.name}_transposed`, { ...full, shape: wanted })
    emit(emitter, 'TRANSPOSE', [full, int32s(emitter, perm)], [output], { type: 'TransposeOptions', value: {} })
    return output
  })
}

export function reshapeTo(emitter: Emitter, tensor: TensorNode, shape: readonly number[]): TensorNode {
  if (sameOrder(tensor.shape, shape)) return tensor
  return derived(emitter, tensor, `reshape ${shape}`, () => {
    if (tensor.data) return { ...tensor, name: freshName(emitter, tensor.name), shape }
    const output = newTensor(emitter, `${tensor.name}_reshaped`, { ...tensor, shape })
    emitReshape(emitter, tensor, output)
    return output
  })
}

export const emitReshape = (emitter: Emitter, input: TensorNode, output: TensorNode): void =>
  emit(emitter, 'RESHAPE', [input, int32s(emitter, output.shape)], [output], {
    type: 'ReshapeOptions',
    value: { new_shape: output.shape },
  })

function movedConstant(emitter: Emitter, { tensor, shape, order }: Stored, wanted: Order): TensorNode {
  const perm = wanted.map((axis) => order.indexOf(axis))
  return derived(emitter, tensor, `move ${perm}`, () => {
    const { data, type, quantization } = tensor
    if (!data) throw new Error(`"${tensor.name}" is not a constant`)
    const bytes = bytesOf({ dtype: type, shape: tensor.shape, data })
    return {
      ...tensor,
      name: freshName(emitter, tensor.name),
      shape: arrange(shape, wanted),
      data: permute(bytes, bitsOf(type) / 8, arrange(shape, order), perm),
      quantization: quantization && { ...quantization, axis: Math.max(0, perm.indexOf(quantization.axis)) },
    }
  })
}

/** The tensor with other parameters or in integers: by QUANTIZE where they differ. */
export function quantizedAs(emitter: Emitter, tensor: TensorNode, type: ElementType, wanted: Quantization): TensorNode {
  if (tensor.type === type && sameQuantization(tensor.quantization, wanted)) return tensor
  return derived(emitter, tensor, `quantize ${type} ${wanted.scales} ${wanted.zeroPoints}`, () => {
    const output = newTensor(emitter, `${tensor.name}_quantized`, { type, shape: tensor.shape, quantization: wanted })
    emit(emitter, 'QUANTIZE', [tensor], [output], { type: 'QuantizeOptions', value: {} })
    return output
  })
}

export function dequantized(emitter: Emitter, tensor: TensorNode): TensorNode {
  if (!tensor.quantization) return tensor
  return derived(emitter, tensor, 'dequantize', () => {
    const output = newTensor(emitter, `${tensor.name}_float`, {
      type: 'float32',
      shape: tensor.shape,
      quantization: null,
    })
    emit(emitter, 'DEQUANTIZE', [tensor], [output], { type: 'DequantizeOptions', value: {} })
    return output
  })
}

/** An ONNX constant; with the parameters of the DequantizeLinear behind it. */
export function storedConstant(
  emitter: Emitter,
  name: string,
  tensor: Tensor,
  quantization: Quantization | null = null,
): Stored | null {
  if (!isElementType(tensor.dtype)) return null
  const order = identity(tensor.shape.length)
  const made = constant(emitter, name, { type: tensor.dtype, shape: tensor.shape, data: tensor.data, quantization })
  return { tensor: made, shape: tensor.shape, order }
}

/** The numbers of a constant that stands for axes, sizes or bounds. */
export function numbersOf(tensor: Tensor): number[] {
  if (tensor.dtype === 'int64') return Array.from(view(tensor, 'int64'), Number)
  if (tensor.dtype === 'int32') return Array.from(view(tensor, 'int32'))
  if (tensor.dtype === 'float32') return Array.from(view(tensor, 'float32'))
  throw new Error(`a list of numbers is ${tensor.dtype}`)
}
