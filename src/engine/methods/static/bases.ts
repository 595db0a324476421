/** The float models that a search quantizes: the prepared one, and rewrites of it that compute the same with other weights. */

import type { StaticMethod } from '../../../contract/recipe.ts'
import { addChannelMaxima, measureMaxima } from '../../calibrate/calibrate.ts'
import { observersFor } from '../../calibrate/observers/index.ts'
import { onlyProbes } from '../../calibrate/probes.ts'
import { equalizable, equalize } from '../../correct/equalize.ts'
import { hasOutliers, type Maxima, smooth, smoothable } from '../../correct/smooth.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Model } from '../../ir/graph.ts'
import type { Plan } from '../../plan/plan.ts'
import type { MethodInput } from '../method.ts'
import { measureBase } from './measure.ts'
import { type Base, hiddenIn, type Variant, type VariantInput } from './variant.ts'

export type BaseOptions = Pick<StaticMethod, 'observer' | 'bias_correction' | 'min_sqnr_db'> &
  Partial<Pick<StaticMethod, 'equalize' | 'smooth'>>

export interface Bases {
  /** the prepared model, rewritten as the options demand */
  first(): Promise<Base>
  /** null when no layers follow each other */
  equalized(base: Base): Promise<Base | null>
  /** nothing when no features stand out that could be moved */
  smoothed(base: Base, strengths: readonly number[]): Promise<{ alpha: number; base: Base }[]>
  /** the variant with ranges of what a layer writes whose neighbours leave the integers, too */
  exposed(common: VariantInput, variant: Variant): Promise<Variant>
  /** the same with what is measured on more samples */
  extended(base: Base, more: CalibrationBatches): Promise<Base>
}

/** SmoothQuant's usual strength */
const USUAL_STRENGTH = 0.5

export function openBases(
  input: MethodInput,
  plan: Plan,
  calibration: CalibrationBatches,
  options: BaseOptions,
): Bases {
  const wanted = {
    plan,
    histograms:
      options.min_sqnr_db !== undefined || observersFor(options.observer).some(({ needsHistogram }) => needsHistogram),
    means: options.bias_correction !== false,
  }
  const measured = (rewritten: Rewritten) => measureBase(input, rewritten, calibration, wanted)
  const maxima = (model: Model, channels: Channels) => maximaOf(input, model, channels, calibration)
  const evened = async ({ model, ...done }: Rewritten): Promise<Rewritten | null> => {
    const found = equalize(model, await maxima(model, equalizable(model)))
    return found && { ...done, model: found.model, equalized: true }
  }
  return {
    first: async () => {
      const prepared = { model: input.prepared.model, equalized: false, smoothed: null, rounded: false }
      const even = (options.equalize === true && (await evened(prepared))) || prepared
      const alpha = options.smooth === true ? USUAL_STRENGTH : options.smooth
      return measured(
        typeof alpha === 'number' ? smoothedBy(even, await maxima(even.model, smoothable(even.model)), alpha) : even,
      )
    },
    equalized: async (base) => {
      const even = await evened(base)
      return even && measured(even)
    },
    smoothed: async (base, strengths) => {
      const largest = await maxima(base.model, smoothable(base.model))
      const bases: { alpha: number; base: Base }[] = []
      if (!hasOutliers(largest)) return bases
      for (const alpha of strengths) bases.push({ alpha, base: await measured(smoothedBy(base, largest, alpha)) })
      return bases
    },
    exposed: async (common, variant) => {
      const { base } = variant
      const hidden = hiddenIn(common, variant)
      if (hidden.values.size === 0) return variant
      const rewritten = base.unrounded ?? base
      const found = await measureBase(input, rewritten, calibration, { ...wanted, plan: hidden, means: false })
      const statistics = new Map([...found.statistics, ...base.statistics])
      return {
        ...variant,
        base: { ...base, statistics, ...(base.unrounded && { unrounded: { ...base.unrounded, statistics } }) },
      }
    },
    extended: async (base, more) => {
      const before = { ...base, batches: calibration.length }
      const found = await measureBase(input, base.unrounded ?? base, more, wanted, before)
      const { means, samples } = found
      const measured = { statistics: new Map([...base.statistics, ...found.statistics]), means, samples }
      return { ...base, ...measured, ...(base.unrounded && { unrounded: { ...base.unrounded, ...measured } }) }
    },
  }
}

type Channels = readonly { name: string; axis: number }[]
type Rewritten = Pick<Base, 'model' | 'equalized' | 'smoothed' | 'rounded'>

const smoothedBy = ({ model, ...done }: Rewritten, maxima: Maxima, alpha: number): Rewritten => ({
  ...done,
  model: smooth(model, maxima, alpha),
  smoothed: alpha,
})

async function maximaOf(
  { runtime, workspace }: MethodInput,
  model: Model,
  channels: Channels,
  batches: CalibrationBatches,
): Promise<Maxima> {
  if (channels.length === 0) return new Map()
  const probe = cloneModel(model)
  const known = new Set(probe.graph.nodes)
  const outputs = addChannelMaxima(probe, channels)
  onlyProbes(probe, known)
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  const maxima = await measureMaxima(session, outputs, batches)
  await session.release()
  return maxima
}
