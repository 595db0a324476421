/** What an uploaded data set is, in a thread of its own. */
import type { DatasetSpec } from '../contract/recipe.ts'
import type { DatasetSummary } from '../engine/data/inspect.ts'
import { FewbitError } from '../shared/errors.ts'
import { runThread, type ThreadLimits } from '../shared/thread.ts'

const LIMITS: ThreadLimits = { timeoutMs: 120_000, memoryMb: 512 }

/** Throws dataset_* errors that name the array. */
export function inspectDataset(
  path: string,
  spec: Pick<DatasetSpec, 'images' | 'text'>,
  limits: ThreadLimits = LIMITS,
): Promise<DatasetSummary> {
  return runThread<DatasetSummary>(new URL('./inspect-thread.js', import.meta.url), { path, spec }, limits).catch(
    refuse,
  )
}

/** A thread that exceeds its limits speaks of models. */
function refuse(error: unknown): never {
  const exceeded = error instanceof FewbitError && error.code === 'model_too_complex'
  if (!exceeded) throw error
  throw new FewbitError('dataset_array_invalid', error.message, {
    hint: 'store the arrays without compression (numpy.savez), or send fewer samples',
  })
}
