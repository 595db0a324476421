/** One node while it is lowered: its operands in the form in which it computes, and where its results go. */
import type { Node, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { bytesOf, elementCount, type Tensor, view } from '../ir/tensor.ts'
import { type ElementType, isElementType } from './codes.ts'
import {
  dequantized,
  type Emitter,
  fixedShape,
  floats,
  newTensor,
  numbersOf,
  quantizedAs,
  refuse,
  type Stored,
  storedConstant,
} from './emitter.ts'
import type { Quantization, TensorNode } from './network.ts'
import { arrange, identity, type Order } from './order.ts'

export interface Scope {
  emitter: Emitter
  /** by ONNX value: integers behind QuantizeLinear, and what is float */
  values: Map<Value, Stored>
  /** integers that an operator wrote, by the float value that ONNX has there */
  written: Map<Value, Stored>
  outputs: ReadonlySet<Value>
}

export interface Site {
  node: Node
  emitter: Emitter
  /** whether it computes in integers, between DequantizeLinear and QuantizeLinear */
  isInteger: boolean
  has(index: number): boolean
  /** Throws model_not_convertible for what TensorFlow Lite has no type for. */
  input(index: number): Stored
  /** the numbers of a constant; null where the input is none */
  numbers(index: number): number[] | null
  shapeOf(index: number): readonly number[]
  outputShape(index?: number): readonly number[]
  /** parameters that an output must have; null in float */
  parameters(index?: number): Quantization | null
  /** a tensor that an operator writes, with the axes of the ONNX value in `order` */
  output(order: Order, index?: number): TensorNode
  /** takes a tensor that is there as the output; with other parameters where the output has others */
  forward(stored: Stored, index?: number): void
}

export const isQuantize = (node: Node): boolean => node.opType === 'QuantizeLinear'
export const isDequantize = (node: Node | null): node is Node => node?.opType === 'DequantizeLinear'

/** Scale and zero point of a QuantizeLinear or DequantizeLinear. */
export function parametersOf(node: Node): { type: ElementType; quantization: Quantization } {
  const [scale, zero] = [node.inputs[1]?.tensor, node.inputs[2]?.tensor]
  if (!scale) refuse(node, 'its scale is not a constant')
  const scales = numbersOf(scale)
  const dtype = zero?.dtype ?? node.inputs[0]?.dtype
  const type = dtype === 'float32' ? 'uint8' : dtype
  if (type !== 'int8' && type !== 'int16' && type !== 'int32')
    refuse(
      node,
      `its integers are ${type}, and kernels of TensorFlow Lite compute with int8`,
      'choose a target with int8',
    )
  const zeroPoints = zero ? integersOf(zero) : scales.map(() => 0)
  const rank = node.inputs[0]?.shape?.length ?? 0
  const axis = node.int('axis', 1)
  return { type, quantization: { scales, zeroPoints, axis: scales.length === 1 ? 0 : axis < 0 ? axis + rank : axis } }
}

function integersOf(tensor: Tensor): number[] {
  if (tensor.dtype === 'int8') return Array.from(view(tensor, 'int8'))
  return tensor.dtype === 'int16' ? Array.from(view(tensor, 'int16')) : Array.from(view(tensor, 'int32'))
}

/** The value in integers, where it comes out of a DequantizeLinear; null elsewhere. */
export function integerForm({ emitter, values }: Scope, value: Value): Stored | null {
  const { producer } = value
  if (!isDequantize(producer)) return null
  const source = at(producer.inputs, 0)
  if (!source?.tensor) return (source && values.get(source)) ?? null
  return storedConstant(emitter, source.name, source.tensor, parametersOf(producer).quantization)
}

/** The value in float, or in integers that are no quantized numbers. */
export function plainForm(scope: Scope, value: Value): Stored | null {
  const { emitter, values } = scope
  const known = values.get(value)
  if (known) return known
  if (value.tensor) return storedConstant(emitter, value.name, value.tensor)
  const integers = integerForm(scope, value)
  if (!integers) return null
  const { data } = integers.tensor
  return { ...integers, tensor: data ? floatConstant(emitter, integers) : dequantized(emitter, integers.tensor) }
}

function floatConstant(emitter: Emitter, { tensor, shape }: Stored): TensorNode {
  const { data, type, quantization, name } = tensor
  if (!data || !quantization) return tensor
  const source = { dtype: type, shape, data: bytesOf({ dtype: type, shape, data }) }
  const { scales, zeroPoints, axis } = quantization
  const inner = elementCount(shape.slice(axis + 1))
  const channel = (i: number) => (scales.length === 1 ? 0 : Math.floor(i / inner) % scales.length)
  const values = integersOf(source).map((q, i) => (q - (zeroPoints[channel(i)] ?? 0)) * (scales[channel(i)] ?? 0))
  return floats(emitter, name, values, shape)
}

const isFloat = (value: Value | null) => value?.dtype === 'float32' || value?.dtype === undefined

/** Whether everything float that the node reads and writes is in integers on the other side of its pairs. */
function isIntegerNode(scope: Scope, node: Node): boolean {
  const reads = node.inputs.filter((value): value is Value => value !== null && !value.isConstant && isFloat(value))
  if (!reads.some((value) => integerForm(scope, value))) return false
  return (
    reads.every((value) => integerForm(scope, value)) &&
    node.outputs.every((value) => value === null || !isFloat(value) || isQuantized(scope, value))
  )
}

const isQuantized = ({ outputs }: Scope, value: Value): boolean =>
  !outputs.has(value) && value.consumers.size > 0 && [...value.consumers.keys()].every(isQuantize)

export function siteOf(scope: Scope, node: Node): Site {
  const { emitter } = scope
  const isInteger = isIntegerNode(scope, node)
  const valueAt = (index: number): Value => node.inputs[index] ?? refuse(node, `it has no input ${index}`)
  const outputAt = (index: number): Value => node.outputs[index] ?? refuse(node, `it has no output ${index}`)
  const quantizer = (index: number) =>
    isInteger ? ([...outputAt(index).consumers.keys()].find(isQuantize) ?? null) : null
  const parameters = (index = 0) => {
    const node = quantizer(index)
    return node ? parametersOf(node) : null
  }
  const forward = (stored: Stored, index = 0): void => {
    const wanted = parameters(index)
    if (!wanted) {
      scope.values.set(outputAt(index), stored)
      return
    }
    const tensor = quantizedAs(emitter, stored.tensor, wanted.type, wanted.quantization)
    settle(scope, outputAt(index), { ...stored, tensor })
  }
  return {
    node,
    emitter,
    isInteger,
    has: (index) => Boolean(node.inputs[index]),
    input: (index) => {
      const value = valueAt(index)
      const form = (isInteger && integerForm(scope, value)) || plainForm(scope, value)
      return form ?? refuse(node, `its input "${value.name}" is ${value.dtype ?? 'of an unknown type'}`)
    },
    numbers: (index) => {
      const tensor = node.inputs[index]?.tensor
      return tensor ? numbersOf(tensor) : null
    },
    shapeOf: (index) => fixedShape(valueAt(index)),
    outputShape: (index = 0) => fixedShape(outputAt(index)),
    parameters: (index = 0) => parameters(index)?.quantization ?? null,
    output: (order, index = 0) => {
      const value = outputAt(index)
      const wanted = parameters(index)
      const type = wanted?.type ?? value.dtype ?? 'float32'
      if (!isElementType(type)) refuse(node, `its output "${value.name}" is ${type}`)
      const shape = fixedShape(value)
      const made = newTensor(emitter, value.name, {
        type,
        shape: arrange(shape, order),
        quantization: wanted?.quantization ?? null,
      })
      forward({ tensor: made, shape, order }, index)
      return made
    },
    forward,
  }
}

/** Notes what an integer operator wrote under every QuantizeLinear that asks for just that. */
function settle({ values, written }: Scope, value: Value, stored: Stored): void {
  written.set(value, stored)
  for (const node of value.consumers.keys()) {
    const output = node.outputs[0]
    const { scales, zeroPoints } = parametersOf(node).quantization
    const own = stored.tensor.quantization
    if (output && own?.scales[0] === scales[0] && own?.zeroPoints[0] === zeroPoints[0]) values.set(output, stored)
  }
}

/** The stored value with axes of size one in front. */
export function liftTo(stored: Stored, rank: number): Stored {
  const more = rank - stored.shape.length
  if (more === 0) return stored
  const shape = [...identity(more).map(() => 1), ...stored.shape]
  const order = [...identity(more), ...stored.order.map((axis) => axis + more)]
  if (!stored.tensor.data) return { tensor: stored.tensor, shape, order }
  const { quantization } = stored.tensor
  const tensor = {
    ...stored.tensor,
    shape: arrange(shape, order),
    quantization: quantization && { ...quantization, axis: quantization.axis + more },
  }
  return { tensor, shape, order }
}

/** A tensor in the parameters of the node's output, for kernels that compute no new ones. */
export function asOutput(site: Site, tensor: TensorNode, index = 0): TensorNode {
  const wanted = site.parameters(index)
  return wanted ? quantizedAs(site.emitter, tensor, tensor.type, wanted) : tensor
}
