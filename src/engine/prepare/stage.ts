/** Stage `prepare` as a recipe and its target want it. */
import type { Warning } from '../../contract/report.ts'
import type { CalibrationBatches } from '../data/batches.ts'
import type { Run } from '../run.ts'
import { fixSizes } from './fix-sizes.ts'
import { PREPARE_COMPAT, type Prepared, preparation, prepare } from './index.ts'
import { isCompat, rewritesFor } from './rewrites.ts'

/** Throws model_* errors for files that ONNX Runtime refuses. */
export function prepareFor({ spec, target, runtime, workspace }: Run): Promise<Prepared> {
  const { input_shapes, input_values } = spec.recipe
  const compat = isCompat(spec.recipe)
  return prepare(spec.model, target.min_opset, runtime, workspace, {
    passes: compat ? PREPARE_COMPAT : preparation(rewritesFor(target, spec.recipe)),
    shapes: input_shapes,
    values: input_values,
    fixed: target.kind === 'integer' && target.shapes === 'static',
    // Half precision changes nothing about weights that are packed already.
    quantized: compat ? 'warn' : target.kind === 'float' ? 'take packed' : 'refuse',
    dequantize: target.kind !== 'float' && !compat,
    standard: !compat,
    ...(spec.memory_bytes && { memoryBytes: spec.memory_bytes }),
  })
}

/** Makes constants of the sizes that the model computes where the target needs them and the data agrees. The prepared model is changed. */
export async function fixSizesFor(
  { spec, target, runtime, workspace }: Run,
  { model, large }: Prepared,
  batches: CalibrationBatches | null,
): Promise<Warning[]> {
  const needsThem = target.kind === 'integer' && target.shapes === 'static'
  if (!needsThem || !batches || large || isCompat(spec.recipe)) return []
  const fixed = await fixSizes(model, batches, runtime, workspace)
  return fixed.map((detail) => ({ code: 'shape_fixed', detail }))
}
