/** A hardware target, as data: what it can do, never how we do it. */
import type { MethodName } from '../../contract/recipe.ts'
import type { IntegerTarget } from '../../contract/target-profile.ts'

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

export interface FloatTarget extends TargetBase {
  kind: 'float'
  float: 'float16'
  /** operators that stay float32 on this target */
  blocked: readonly string[]
  /** the only operators that run there; every one where this is missing */
  operators?: readonly string[]
  /** inputs that are float32 by the operator's own definition */
  float_inputs: Readonly<Record<string, readonly number[]>>
}

export interface WeightOnlyTarget extends TargetBase {
  kind: 'weight-only'
  weight: { bits: readonly number[]; block_sizes: readonly number[]; symmetric: readonly boolean[] }
  format: 'MatMulNBits'
}

export type { IntegerTarget, OperatorSupport } from '../../contract/target-profile.ts'
export type Target = IntegerTarget | FloatTarget | WeightOnlyTarget
