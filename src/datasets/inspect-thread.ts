/** The thread in which an uploaded data set is read. */
import type { ImageSpec } from '../contract/images.ts'
import { inspectImages } from '../engine/data/images/index.ts'
import { inspectNpz } from '../engine/data/inspect.ts'
import { requireFew, requireSmall } from '../shared/record-size.ts'
import { answerThread } from '../shared/thread.ts'

await answerThread(async ({ path, images }: { path: string; images?: ImageSpec }) => {
  const summary = await (images ? inspectImages(path, images) : inspectNpz(path))
  const names = summary.arrays.map(({ name }) => name)
  requireFew('dataset_array_invalid', 'arrays', names)
  requireSmall('dataset_array_invalid', summary)
  return summary
})
