/** The thread in which an uploaded data set is read. */
import { inspectNpz } from '../engine/data/inspect.ts'
import { answerThread } from '../shared/thread.ts'

await answerThread((path: string) => inspectNpz(path))
