/** The samples that calibrate: those of the job, or made-up ones where a method needs some and the job has none. */
import { factsOf } from '../../contract/method-facts.ts'
import type { Warning } from '../../contract/report.ts'
import type { Prepared } from '../prepare/index.ts'
import { type Run, warn } from '../run.ts'
import type { CalibrationBatches } from './batches.ts'
import { calibrationBatches } from './samples.ts'
import type { Split } from './split.ts'
import { findFeeds, syntheticBatches } from './synthetic.ts'

/** in one run at most: every value of a batch lies in memory at once */
const BATCH = 4

const SYNTHETIC: Warning = {
  code: 'synthetic_calibration',
  detail:
    'The ranges of activations come from made-up inputs, because the job names no calibration data set: expect a loss of accuracy on real data that no figure of this job shows. Name a data set, or use the method dynamic.',
}

/** Null without data where the method does without, and where no input was found on which the model runs. */
export async function calibrationData(
  run: Run,
  prepared: Prepared,
  { calibration }: Split,
): Promise<CalibrationBatches | null> {
  if (calibration) return calibrationBatches(calibration, prepared.inputs, BATCH)
  const { spec, runtime } = run
  const { syntheticRuns, needsRanges } = factsOf(spec.recipe.method)
  if (syntheticRuns === 0) return null
  const session = await runtime.load(prepared.floatPath, { optimization: 'basic' })
  const feeds = await findFeeds(session, spec.recipe.seed)
  await session.release()
  if (!feeds) return null
  if (needsRanges) warn(run, [SYNTHETIC])
  return syntheticBatches(feeds, spec.recipe.seed, syntheticRuns)
}
