/** What is said of single tensors instead of what is said of all. Source: TensorQuantOverrides of onnxruntime.quantization 1.30. */
import type { QType, ScaleZeroPoint } from '../quant/math.ts'

export interface TensorOverride {
  qtype?: QType
  symmetric?: boolean
  reduceRange?: boolean
  /** ends of the range, instead of those that were calibrated or that a constant has */
  min?: number
  max?: number
  /** both, instead of what a range gives */
  scale?: number
  zeroPoint?: number
  /** of a constant, in the first override only: one scale per index of this axis */
  axis?: number
  /** of a computed value: what the readers with these names, or all, get instead */
  convert?: TensorOverride & { readers?: readonly string[] }
}

/** By the name of the tensor: one override, or one per channel where there is an axis. */
export type Overrides = Readonly<Record<string, readonly TensorOverride[]>>

export const overrideOf = (overrides: Overrides, name: string): TensorOverride => overrides[name]?.[0] ?? {}

/** Scale and zero point where an override gives both. */
export const fixedParameters = ({ scale, zeroPoint }: TensorOverride): ScaleZeroPoint | null =>
  scale === undefined || zeroPoint === undefined ? null : { scale: Math.fround(scale), zeroPoint }

/** Every type that overrides name. */
export const overriddenTypes = (overrides: Overrides): QType[] =>
  Object.values(overrides)
    .flat()
    .flatMap(({ qtype, convert }) => [qtype ?? [], convert?.qtype ?? []].flat())
