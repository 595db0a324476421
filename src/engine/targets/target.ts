/** A hardware target, as data: what it can do, never how we do it. */
import type { MethodName } from '../recipe.ts'

/** required = the integer kernel exists only when the output is quantized too; optional = it can also write float32 */
export interface OperatorSupport {
  output: 'required' | 'optional'
}

interface TargetBase {
  id: string
  object: 'target'
  title: string
  description: string
  runtime: string
  methods: readonly MethodName[]
  default_method: MethodName
  min_opset: number
  sources: readonly string[]
}

export interface IntegerTarget extends TargetBase {
  kind: 'integer'
  activation: { dtype: 'uint8'; symmetric: boolean; granularity: 'tensor' }
  weight: { dtype: 'int8'; symmetric: boolean; granularity: 'channel' | 'tensor' }
  bias: { dtype: 'int32' }
  format: 'QDQ'
  /** `regions`: quantize only where neighbouring operators stay in integers; `all`: every listed operator */
  placement: 'regions'
  operators: Readonly<Record<string, OperatorSupport>>
}

export interface FloatTarget extends TargetBase {
  kind: 'float'
  float: 'float16'
  /** operators that stay float32 on this target */
  blocked: readonly string[]
  /** inputs that are float32 by the operator's own definition */
  float_inputs: Readonly<Record<string, readonly number[]>>
}

export interface WeightOnlyTarget extends TargetBase {
  kind: 'weight-only'
  weight: { bits: readonly number[]; block_sizes: readonly number[]; symmetric: readonly boolean[] }
  format: 'MatMulNBits'
}

export type Target = IntegerTarget | FloatTarget | WeightOnlyTarget
