/** The options of the format `tflite` with every default filled in. */
import type { Run } from '../run.ts'
import type { ConvertOptions } from '../tflite/index.ts'

export function tfliteOptions({ spec, target }: Pick<Run, 'spec' | 'target'>): ConvertOptions {
  const { io, images = 'nhwc' } = spec.recipe.tflite ?? {}
  const isIntegerOnly = target.kind === 'integer' && target.float_operators === 'forbidden'
  return { io: io ?? (isIntegerOnly ? 'int8' : 'float32'), images }
}
