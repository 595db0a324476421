/** Every method by name. */
import type { MethodName } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { dynamicMethod } from './dynamic/index.ts'
import { float16Method } from './float16/index.ts'
import type { Method } from './method.ts'
import { qatMethod } from './qat/index.ts'
import { staticMethod } from './static/index.ts'
import { weightOnlyMethod } from './weight-only/index.ts'

export const METHODS = {
  auto: () => {
    throw new FewbitError('internal', 'auto is a ladder of the other methods, which engine/auto climbs')
  },
  static: staticMethod,
  dynamic: dynamicMethod,
  weight_only: weightOnlyMethod,
  float16: float16Method,
  qat: qatMethod,
} as const satisfies Record<MethodName, Method>
