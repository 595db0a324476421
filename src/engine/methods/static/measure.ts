/** Runs a float model over calibration data and keeps what observers and bias correction need of it. */

import { addInputMeans, type Measured, measureExtremes } from '../../calibrate/calibrate.ts'
import { addElements } from '../../calibrate/elements.ts'
import { addExtremes } from '../../calibrate/extremes.ts'
import { onlyProbes } from '../../calibrate/probes.ts'
import { correctable } from '../../correct/bias-correction.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Plan } from '../../plan/plan.ts'
import type { CalibrationBatches, MethodInput } from '../method.ts'
import type { Base } from './variant.ts'

export interface MeasureOptions {
  /** of this model, or of one with the same values and nodes */
  plan: Plan
  histograms: boolean
  /** mean of every input channel, for bias correction */
  means: boolean
}

/** Measures every value whose range the plan wants, in one pass; `before` was measured of the same model on other samples, and these are added. */
export async function measureBase(
  { runtime, workspace, progress }: Pick<MethodInput, 'runtime' | 'workspace' | 'progress'>,
  rewritten: Omit<Base, 'statistics' | 'means' | 'samples'>,
  batches: CalibrationBatches,
  { plan, ...wanted }: MeasureOptions,
  before?: Measured & { batches: number; samples: number },
): Promise<Base> {
  const names = [...plan.values].flatMap(([value, planned]) => (planned.kind === 'own' ? [value.name] : []))
  const samples = batches.samples + (before?.samples ?? 0)
  let done = 0
  progress('calibrating', 0, batches.length)
  const probe = cloneModel(rewritten.model)
  const known = new Set(probe.graph.nodes)
  const outputs = addExtremes(probe, names, { knowBounds: true })
  const elements = wanted.histograms ? addElements(probe, names, samples) : new Map<string, string>()
  const means = addInputMeans(probe, wanted.means ? correctable(plan) : new Set())
  onlyProbes(probe, known)
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  const onBatch = () => progress('calibrating', ++done, batches.length)
  const measured = await measureExtremes({ session, outputs, elements, means, batches, onBatch, before })
  await session.release()
  return { ...rewritten, ...measured, samples }
}
