/** The thread in which an uploaded data set is read. */
import { inspectNpz } from '../engine/data/inspect.ts'
import { requireFew, requireSmall } from '../shared/record-size.ts'
import { answerThread } from '../shared/thread.ts'

await answerThread(async (path: string) => {
  const summary = await inspectNpz(path)
  const names = summary.arrays.map(({ name }) => name)
  requireFew('dataset_array_invalid', 'arrays', names)
  requireSmall('dataset_array_invalid', summary)
  return summary
})
