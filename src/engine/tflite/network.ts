/** A network as TensorFlow Lite sees it: tensors, operators on them, and its borders. */
import type { ElementType, OperatorCode } from './codes.ts'
import type { Order } from './order.ts'
import type { Bytes, Options } from './schema.ts'

export interface Quantization {
  scales: readonly number[]
  zeroPoints: readonly number[]
  /** along which scales differ, where there are several */
  axis: number
}

export interface TensorNode {
  name: string
  type: ElementType
  /** as it lies in memory */
  shape: readonly number[]
  /** of a constant */
  data: Bytes | null
  quantization: Quantization | null
}

export interface OperatorNode {
  code: OperatorCode
  inputs: readonly (TensorNode | null)[]
  outputs: readonly TensorNode[]
  options: Options | null
  /** the ONNX node that it computes, for messages */
  origin: string
}

/** An input or output of the ONNX model, and where it is in the network. */
export interface Border {
  /** as ONNX calls it */
  name: string
  tensor: TensorNode
  /** its shape in ONNX */
  shape: readonly number[]
  /** for each axis of the tensor the axis in ONNX */
  order: Order
}

export interface Network {
  operators: OperatorNode[]
  inputs: Border[]
  outputs: Border[]
}

export const sameQuantization = (a: Quantization | null, b: Quantization | null): boolean =>
  a === b ||
  (a !== null &&
    b !== null &&
    a.scales.length === b.scales.length &&
    a.scales.every((scale, i) => scale === b.scales[i]) &&
    a.zeroPoints.every((zero, i) => zero === b.zeroPoints[i]))
