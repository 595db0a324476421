/** Sets calibration data aside that judges what was made of the rest. */
import type { RunTensor } from '../../runtime/runtime.ts'
import type { CalibrationBatches } from '../method.ts'

export interface HeldOut {
  calibration: CalibrationBatches
  judging: Record<string, RunTensor>[]
}

/** samples that judge, at most, and the part of the calibration data that they may take */
const MOST_JUDGING = 32
const JUDGING_PART = 4
const LEAST_SAMPLES = 40

/** Sets the last batches aside; a small data set both calibrates and judges. */
export async function holdOut(batches: CalibrationBatches): Promise<HeldOut> {
  const perBatch = batches.samples / batches.length
  const wished = Math.min(MOST_JUDGING, batches.samples / JUDGING_PART)
  const count = Math.max(1, Math.round(wished / perBatch))
  const enough = batches.samples >= LEAST_SAMPLES && count < batches.length
  const from = batches.length - count
  const judging: Record<string, RunTensor>[] = []
  let index = 0
  for await (const feeds of batches) if (index++ >= from) judging.push(feeds)
  return { calibration: enough ? firstOf(batches, from) : batches, judging }
}

const firstOf = (batches: CalibrationBatches, length: number): CalibrationBatches => ({
  samples: Math.round((batches.samples / batches.length) * length),
  length,
  async *[Symbol.asyncIterator]() {
    let index = 0
    for await (const feeds of batches) {
      if (index++ >= length) return
      yield feeds
    }
  },
})
