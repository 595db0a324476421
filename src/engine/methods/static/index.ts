/** Static post-training quantization: plan, calibrate, try what may help, keep what does. */

import { QatMethod, StaticMethod, Training } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import type { Node } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import { describePlan } from '../../plan/describe.ts'
import { type Plan, quantizedIn } from '../../plan/plan.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import { compatStatic } from '../compat/index.ts'
import type { Method, MethodInput, TrainingInput } from '../method.ts'
import { type Trained, trainVariant } from '../qat/train-variant.ts'
import { type FoundStatic, searchStatic } from './search-static.ts'
import { buildVariant, exceptionsIn, observerIn } from './variant.ts'

export const staticMethod: Method = async (input) => {
  const options = StaticMethod.parse(input.recipe.method)
  const batches = requireBatches(input.batches)
  if (options.compat) return compatStatic(input, options, batches)
  const training = options.refine === false ? null : requireSamples(input)
  // Blocks are trained from where adaptive rounding leaves them.
  const search = training && options.adaround === false ? { ...options, adaround: 'auto' as const } : options
  const found = await searchStatic(
    input,
    input.target as IntegerTarget,
    { ...search, recurrent: training === null },
    batches,
  )
  const { common, variant, steps, layers, calibration } = found
  const refined = training && (await refine(input, training, options, found))
  const built = refined?.built ?? buildVariant(common, variant)
  return {
    model: built.model,
    plan: describePlan(input.recipe, built.plan, built.parameters, observerIn(variant)),
    quantizedNodes: quantizedIn(built.plan).length,
    macsInteger: macsIn([...input.prepared.model.graph.nodes], built.plan),
    calibration,
    options: {
      type: 'static',
      observer: variant.observer.name,
      ...exceptionsIn(variant),
      per_channel: options.per_channel,
      bias_correction: variant.biasCorrection,
      equalize: variant.base.equalized,
      smooth: variant.base.smoothed ?? false,
      adaround: variant.base.rounded,
      skip_slow_layers: options.skip_slow_layers,
      refine: refined?.report.kept === 'trained' && refined.options.training,
      ...(variant.float.size > 0 && { float_nodes: [...variant.float.keys()] }),
      ...(variant.wide.size > 0 && { wide_nodes: [...variant.wide] }),
    },
    search: steps,
    sensitivity: layers,
    warnings: [...found.warnings, ...(refined?.warnings ?? [])],
    ...(refined && { training: refined.report }),
  }
}

/** Trains the blocks of what the search found. */
function refine(
  input: MethodInput,
  training: TrainingInput,
  { refine: wishes }: StaticMethod,
  { common, variant }: FoundStatic,
): Promise<Trained> {
  const method = QatMethod.parse({ type: 'qat', loss: 'distillation' })
  const recipe = { ...input.recipe, training: Training.parse(wishes === true ? {} : wishes) }
  return trainVariant({ ...input, recipe }, training, method, common, variant, { blockwise: true })
}

/** Throws dataset_required without samples to train on. */
function requireSamples({ training }: MethodInput): TrainingInput {
  if (training) return training
  throw new FewbitError('dataset_required', 'Blocks are reconstructed on calibration data.', {
    param: '/calibration/dataset_id',
    hint: 'upload an .npz data set without labels, or leave out refine',
  })
}

/** Throws dataset_required without calibration data. */
export function requireBatches(batches: CalibrationBatches | null): CalibrationBatches {
  if (batches) return batches
  throw new FewbitError(
    'dataset_required',
    'Static quantization reads the ranges of activations from a calibration data set.',
    {
      param: '/calibration/dataset_id',
      hint: 'upload an .npz data set, or use the method dynamic or float16, which need none',
    },
  )
}

/** Share of multiply-accumulates in what the plan, of a copy of these nodes perhaps, quantizes; null when a shape is unknown. */
export function macsIn(nodes: readonly Node[], plan: Plan): number | null {
  const names = new Set(quantizedIn(plan).map(({ name }) => name))
  return shareOfMacs(nodes, (node) => names.has(node.name))
}

/** Share of multiply-accumulates in what is `chosen`; null when a shape is unknown. */
export function shareOfMacs(nodes: readonly Node[], chosen: (node: Node) => boolean): number | null {
  const macs = (node: Node) => opOf(node)?.macs?.(node) ?? 0
  const sum = (some: readonly Node[]) => some.reduce((total, node) => total + macs(node), 0)
  const total = sum(nodes)
  return Number.isFinite(total) && total > 0 ? sum(nodes.filter(chosen)) / total : null
}
