/** What an uploaded data set is, in a thread of its own. */
import type { DatasetSummary } from '../engine/data/inspect.ts'
import { runThread } from '../shared/thread.ts'

const LIMITS = { timeoutMs: 120_000, memoryMb: 512 }

/** Throws dataset_* errors that name the array. */
export function inspectDataset(path: string): Promise<DatasetSummary> {
  return runThread(new URL('./inspect-thread.js', import.meta.url), path, LIMITS)
}
