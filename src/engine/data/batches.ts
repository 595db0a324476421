/** Calibration data as the feeds of runs, read while they are iterated. */
import type { RunTensor } from '../runtime/runtime.ts'

export interface CalibrationBatches {
  samples: number
  /** batches, each the feeds of one run */
  length: number
  /** The batches of some samples alone, by their position; the others are not read. */
  only(indices: readonly number[]): CalibrationBatches
  [Symbol.asyncIterator](): AsyncIterator<Record<string, RunTensor>>
}

/** All of them in memory. */
export async function feedsOf(batches: CalibrationBatches): Promise<Record<string, RunTensor>[]> {
  const all: Record<string, RunTensor>[] = []
  for await (const feeds of batches) all.push(feeds)
  return all
}
