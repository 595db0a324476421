/** The thread in which an uploaded model is read. */
import { answerThread } from '../shared/thread.ts'
import type { ModelFiles } from './inspect.ts'
import { summarize } from './summarize.ts'

await answerThread(({ model, external = {} }: ModelFiles) => summarize(model, external))
