/** Rungs are judged on the same samples: those that the job names, or half of its data, which then does nothing else. */
import { defaultMetric } from '../../contract/metric.ts'
import { LEAST_WITH_PARTS, type RunnerSpec } from '../../contract/runner-protocol.ts'
import { describeAny } from '../data/open.ts'

/** The spec with data that judge. Throws dataset_* errors. */
export async function withJudges(spec: RunnerSpec): Promise<RunnerSpec> {
  const source = spec.calibration ?? spec.training
  if (spec.evaluation || !source || source.part) return spec
  const { samples, labels } = await describeAny(source.path, source.spec)
  if (samples < LEAST_WITH_PARTS) return spec
  const others = <T extends RunnerSpec['calibration']>(file: T): T =>
    file?.path === source.path ? { ...file, part: 'others' } : file
  const recipe = { ...spec.recipe, evaluation: { metric: defaultMetric(labels) } }
  const { calibration, training } = spec
  return {
    ...spec,
    recipe,
    ...(calibration && { calibration: others(calibration) }),
    ...(training && { training: others(training) }),
    evaluation: { path: source.path, spec: source.spec, part: 'held_out' },
  }
}
