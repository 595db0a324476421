/** Stage `prepare` as a recipe and its target want it. */
import type { Run } from '../run.ts'
import { PREPARE_COMPAT, type Prepared, preparation, prepare } from './index.ts'
import { rewritesFor } from './rewrites.ts'

/** Throws model_* errors for files that ONNX Runtime refuses. */
export function prepareFor({ spec, target, runtime, workspace }: Run): Promise<Prepared> {
  const { method, input_shapes, input_values } = spec.recipe
  const isCompat = 'compat' in method && method.compat !== undefined
  return prepare(spec.model, target.min_opset, runtime, workspace, {
    passes: isCompat ? PREPARE_COMPAT : preparation(rewritesFor(target, spec.recipe)),
    shapes: input_shapes,
    values: input_values,
    fixed: target.kind === 'integer' && target.shapes === 'static',
    single: target.kind !== 'float',
    quantized: isCompat ? 'warn' : 'refuse',
    dequantize: target.kind !== 'float' && !isCompat,
    ...(spec.memory_bytes && { memoryBytes: spec.memory_bytes }),
  })
}
