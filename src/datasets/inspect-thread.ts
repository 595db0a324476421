/** The thread in which an uploaded data set is read. */
import type { DatasetSpec } from '../contract/recipe.ts'
import { inspectAny } from '../engine/data/open.ts'
import { requireFew, requireSmall } from '../shared/record-size.ts'
import { answerThread } from '../shared/thread.ts'

await answerThread(async ({ path, spec }: { path: string; spec: Pick<DatasetSpec, 'images' | 'text'> }) => {
  const summary = await inspectAny(path, spec)
  const names = summary.arrays.map(({ name }) => name)
  requireFew('dataset_array_invalid', 'arrays', names)
  requireSmall('dataset_array_invalid', summary)
  return summary
})
