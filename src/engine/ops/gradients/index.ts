/** The gradient rules by "domain:OpType". */
import { ACTIVATION } from './activation.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { CONVOLUTION } from './convolution.ts'
import type { GradientRule } from './define.ts'
import { LINEAR } from './linear.ts'
import { MOVEMENT } from './movement.ts'
import { NORMALIZATION } from './normalization.ts'
import { POOLING } from './pooling.ts'
import { RECURRENT } from './recurrent.ts'
import { REDUCTION } from './reduction.ts'
import { RESIZE } from './resize.ts'

const FAMILIES = [
  ACTIVATION,
  ARITHMETIC,
  CONVOLUTION,
  LINEAR,
  MOVEMENT,
  NORMALIZATION,
  POOLING,
  RECURRENT,
  REDUCTION,
  RESIZE,
]

/** Names without a domain are of the ONNX standard one. */
const keyOf = (name: string): string => (name.includes(':') ? name : `:${name}`)

export const GRADIENTS: ReadonlyMap<string, GradientRule> = new Map(
  FAMILIES.flatMap((family) => Object.entries(family).map(([name, rule]) => [keyOf(name), rule] as const)),
)
