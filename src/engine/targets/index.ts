/** Every hardware target. */
import type { TargetName } from '../recipe.ts'
import { cpuInt4 } from './cpu-int4.ts'
import { cpuInt8 } from './cpu-int8.ts'
import { gpuFloat16 } from './gpu-float16.ts'
import type { Target } from './target.ts'

export const TARGETS = {
  'cpu-int8': cpuInt8,
  'cpu-int4': cpuInt4,
  'gpu-float16': gpuFloat16,
} as const satisfies Record<TargetName, Target>
