/** Runs a float model over calibration data and keeps what observers and bias correction need of it. */
import type { Model } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { addExtremes, addInputMeans, exposeValues, measureExtremes, measureHistograms } from '../quant/calibrate.ts'
import type { Plan } from '../quant/plan.ts'
import type { CalibrationBatches, MethodInput } from './method.ts'
import type { Base } from './variant.ts'

export interface MeasureOptions {
  /** of this model, or of one with the same values and nodes */
  plan: Plan
  histograms: boolean
}

/** One pass for the extremes, a second one for histograms when they are wanted. `name` is that of the file in the workspace. */
export async function measureBase(
  input: Pick<MethodInput, 'runtime' | 'workspace' | 'progress'>,
  name: string,
  model: Model,
  batches: CalibrationBatches,
  { plan, histograms }: MeasureOptions,
): Promise<Base> {
  const { runtime, workspace, progress } = input
  const path = workspace.save(name, model)
  const names = [...plan.values].flatMap(([value, planned]) => (planned.kind === 'own' ? [value.name] : []))
  const passes = histograms ? 2 : 1
  let done = 0
  progress('calibrating', 0, passes * batches.length)
  const onBatch = () => progress('calibrating', ++done, passes * batches.length)
  const probe = decodeModel(path).model
  const outputs = addExtremes(probe, names)
  const means = addInputMeans(probe, new Set([...plan.biases.keys()].map((node) => node.name)))
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  const measured = await measureExtremes({ session, outputs, means, batches, onBatch })
  await session.release()
  if (passes === 1) return { path, ...measured }
  const exposed = decodeModel(path).model
  exposeValues(exposed, names)
  const second = await runtime.load(workspace.save('calibration.onnx', exposed), { optimization: 'all' })
  const statistics = await measureHistograms({ session: second, statistics: measured.statistics, batches, onBatch })
  await second.release()
  return { ...measured, path, statistics }
}
