/** Runs a float model over calibration data and keeps what observers and bias correction need of it. */

import { FewbitError } from '../../../shared/errors.ts'
import { addInputMeans, type ExtremesInput, type Measured, measureExtremes } from '../../calibrate/calibrate.ts'
import { addElements } from '../../calibrate/elements.ts'
import { addExtremes } from '../../calibrate/extremes.ts'
import { onlyProbes } from '../../calibrate/probes.ts'
import { addPeaks, maskInputs } from '../../calibrate/softmax-rows.ts'
import { correctable } from '../../correct/bias-correction.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Model } from '../../ir/graph.ts'
import type { Plan } from '../../plan/plan.ts'
import { softmaxInputs, valuesBeforeSoftmax } from '../../plan/softmax-range.ts'
import type { MethodInput } from '../method.ts'
import type { Base } from './variant.ts'

export interface MeasureOptions {
  /** of this model, or of one with the same values and nodes */
  plan: Plan
  histograms: boolean
  /** mean of every input channel, for bias correction */
  means: boolean
}

/** What was measured of the same model on other samples, and how many. */
type Before = Measured & { batches: number; samples: number }

type Tools = Pick<MethodInput, 'runtime' | 'workspace' | 'progress'>

/** Measures every value whose range the plan wants, in one pass, and adds it to what was measured `before`. */
export async function measureBase(
  tools: Tools,
  rewritten: Omit<Base, 'statistics' | 'means' | 'samples'>,
  batches: CalibrationBatches,
  { plan, ...wanted }: MeasureOptions,
  before?: Before,
): Promise<Base> {
  const samples = batches.samples + (before?.samples ?? 0)
  const measure = async (mayBeEmpty: boolean): Promise<Measured> => {
    const probe = cloneModel(rewritten.model)
    const rows = softmaxInputs(probe.graph)
    const names = [
      ...new Set([
        ...[...plan.values].flatMap(([value, planned]) => (planned.kind === 'own' ? [value.name] : [])),
        ...[...valuesBeforeSoftmax(probe.graph)].map(({ name }) => name),
      ]),
    ]
    const masks = maskInputs(probe.graph)
    const known = new Set(probe.graph.nodes)
    const outputs = addExtremes(probe, names, { knowBounds: true, mayBeEmpty })
    const elements = wanted.histograms ? addElements(probe, names, samples) : new Map<string, string>()
    const peaks = addPeaks(probe, rows)
    const means = addInputMeans(probe, wanted.means ? correctable(plan) : new Set(), mayBeEmpty)
    onlyProbes(probe, known)
    return run(tools, probe, { outputs, elements, means, peaks, masks, batches, ...(before && { before }) })
  }
  const measured = await measure(false).catch((error: unknown) => {
    if (isAboutNothing(error)) return measure(true)
    throw error
  })
  return { ...rewritten, ...measured, samples }
}

/** Pooling is the fastest way to see images, and fails on those without elements. */
const isAboutNothing = (error: unknown): boolean =>
  error instanceof FewbitError && error.code === 'calibration_failed' && /Global(Max|Average)Pool/.test(error.message)

async function run(
  { runtime, workspace, progress }: Tools,
  probe: Model,
  input: Omit<ExtremesInput, 'session' | 'onBatch' | 'batches'> & { batches: CalibrationBatches },
): Promise<Measured> {
  const { length } = input.batches
  let done = 0
  progress('calibrating', 0, length)
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  try {
    return await measureExtremes({ ...input, session, onBatch: () => progress('calibrating', ++done, length) })
  } finally {
    await session.release()
  }
}
