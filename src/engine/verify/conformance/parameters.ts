/** Reads scale and zero point of the conversions in a written model. */
import type { Node, Value } from '../../ir/graph.ts'
import { view } from '../../ir/tensor.ts'
import { isQType } from '../../quant/grid.ts'
import { integersOfTensor } from '../../quant/packed.ts'

export interface Written {
  dtype: string
  scales: Float32Array
  zeroPoints: readonly number[]
  /** null: one scale */
  axis: number | null
}

export const isQuantize = (node: Node | null): node is Node => node?.opType === 'QuantizeLinear'
export const isDequantize = (node: Node | null): node is Node => node?.opType === 'DequantizeLinear'
export const isConversion = (node: Node): boolean => isQuantize(node) || isDequantize(node)

/** Parameters of a QuantizeLinear or DequantizeLinear; null where they are no constants. */
export function writtenIn(node: Node): Written | null {
  const scale = node.inputs[1]?.tensor
  const zeroPoint = node.inputs[2]
  if (scale?.dtype !== 'float32' || (zeroPoint && !zeroPoint.tensor)) return null
  const scales = view(scale, 'float32')
  return {
    dtype: zeroPoint?.tensor?.dtype ?? storedType(node),
    scales,
    zeroPoints: zeroPoint?.tensor ? integersOf(zeroPoint) : [...scales].map(() => 0),
    axis: scale.shape.length === 0 ? null : node.int('axis', 1),
  }
}

const storedType = (node: Node): string =>
  isDequantize(node) ? (node.inputs[0]?.tensor?.dtype ?? node.inputs[0]?.dtype ?? 'unknown') : 'uint8'

/** The integers of a constant; empty for a type that is none. */
export function integersOf({ tensor }: Value): readonly number[] {
  if (!tensor) return []
  if (isQType(tensor.dtype)) return [...integersOfTensor(tensor, tensor.dtype)]
  return tensor.dtype === 'int32' ? [...view(tensor, 'int32')] : []
}

/** The conversion that a value comes from. */
export const sourceOf = (value: Value | null | undefined): Node | null =>
  value && isDequantize(value.producer) ? value.producer : null
