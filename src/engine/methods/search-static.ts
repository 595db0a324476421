/** The best static quantization of a prepared model that the options allow: calibrates, tries what may help, keeps what does. */
import { FewbitError } from '../../shared/errors.ts'
import { readConstants } from '../ir/clone.ts'
import { opOf } from '../ops/index.ts'
import { observersFor } from '../quant/observers/index.ts'
import type { Observer } from '../quant/observers/observer.ts'
import { type Plan, planGraph } from '../quant/plan.ts'
import type { StaticMethod } from '../recipe.ts'
import type { IntegerTarget } from '../targets/target.ts'
import { holdOut } from './hold-out.ts'
import { measureBase } from './measure.ts'
import type { CalibrationBatches, MethodInput, MethodOutput } from './method.ts'
import { mixPrecision } from './mixed-precision.ts'
import { openSearch, type Search, type SearchStep } from './search.ts'
import type { Variant, VariantInput } from './variant.ts'

export type SearchOptions = Pick<StaticMethod, 'observer' | 'per_channel' | 'bias_correction' | 'min_sqnr_db'>

/** What was found. `buildVariant(common, variant)` makes the quantized model, `planVariant(common, variant)` stops before the integers. */
export interface FoundStatic {
  common: VariantInput
  /** `variant.base` has the float model that it quantizes, and what was measured of it */
  variant: Variant
  /** of the prepared model, before anything was tried */
  plan: Plan
  steps: SearchStep[]
  calibration: MethodOutput['calibration']
}

/** bytes of constants that are kept in memory while variants are tried */
const MOST_RESIDENT = 2 ** 28

/** Searches for `target`. Throws nothing_to_quantize when no node can run in integers, calibration_failed for NaN on the data. */
export async function searchStatic(
  input: MethodInput,
  target: IntegerTarget,
  options: SearchOptions,
  batches: CalibrationBatches,
): Promise<FoundStatic> {
  const { model, quantizeDomain } = input.prepared
  const { per_channel: perChannel } = options
  const plan = planGraph(model.graph, target, { perChannel, excludes: input.excludes })
  if (plan.nodes.size === 0) throw nothingToQuantize(plan)
  const observers = observersFor(options.observer)
  const searches = observers.length > 1 || options.bias_correction === 'auto' || options.min_sqnr_db !== undefined
  const { calibration, judging } = searches ? await holdOut(batches) : { calibration: batches, judging: [] }
  const histograms = options.min_sqnr_db !== undefined || observers.some(({ needsHistogram }) => needsHistogram)
  const started = input.now()
  readConstants(model, MOST_RESIDENT)
  const base = await measureBase(input, model, calibration, {
    plan,
    histograms,
    means: options.bias_correction !== false,
  })
  const seconds = (input.now() - started) / 1000
  input.progress('quantizing', 0, 1)
  const common: VariantInput = { target, perChannel, domain: quantizeDomain, excludes: input.excludes }
  const search = await openSearch(input, common, input.prepared.floatPath, judging)
  const plain = (observer: Observer): Variant => ({
    base,
    observer,
    biasCorrection: options.bias_correction === true,
    float: new Map(),
  })
  const chosen = await chooseVariant(options, observers.map(plain), search)
  const variant =
    options.min_sqnr_db === undefined ? chosen : await mixPrecision(options.min_sqnr_db, chosen, common, search)
  return {
    common,
    variant,
    plan,
    steps: search.steps,
    calibration: {
      samples: calibration.samples,
      observer: variant.observer.name,
      samples_per_second: calibration.samples / Math.max(seconds, 1e-6),
      values: base.statistics.size,
    },
  }
}

/** Observer first, then bias correction; each is kept only when the score says so. */
async function chooseVariant(
  { bias_correction }: SearchOptions,
  observed: readonly Variant[],
  { best }: Search,
): Promise<Variant> {
  const first = await best(observed.map((variant) => [`observer ${variant.observer.name}`, variant] as const))
  if (bias_correction !== 'auto') return first
  return best([
    ['without bias correction', first],
    ['bias correction', { ...first, biasCorrection: true }],
  ])
}

function nothingToQuantize({ reasons }: Plan): FewbitError {
  const [first] = [...reasons].filter(([node]) => opOf(node)?.class === 'multiply')
  const detail = first
    ? `for example node "${first[0].name}" (${first[0].opType}): ${first[1]}`
    : 'it has no Conv, Gemm or MatMul with a float32 constant'
  return new FewbitError('nothing_to_quantize', `No node of the model can run in integers: ${detail}.`, {
    stage: 'plan',
  })
}
