/** The best static quantization of a prepared model that the options allow: calibrates, tries what may help, keeps what does. */

import type { StaticMethod } from '../../../contract/recipe.ts'
import type { LayerSensitivity, Warning } from '../../../contract/report.ts'
import { observersFor } from '../../calibrate/observers/index.ts'
import type { Observer } from '../../calibrate/observers/observer.ts'
import { smoothable } from '../../correct/smooth.ts'
import { type CalibrationBatches, feedsOf } from '../../data/batches.ts'
import { drawBatches, holdOutOfBatches, JUDGING } from '../../data/split.ts'
import { readConstants } from '../../ir/clone.ts'
import type { Model } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import { type Plan, quantizedIn } from '../../plan/plan.ts'
import { planGraph } from '../../plan/plan-graph.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { type IntegerTarget, isTimedHere } from '../../targets/target.ts'
import type { MethodInput, MethodOutput } from '../method.ts'
import { nothingToQuantize } from '../nothing-to-quantize.ts'
import { hasMatrix } from '../weight-problem.ts'
import { type Bases, openBases } from './bases.ts'
import { keepUp } from './keep-up.ts'
import { mixPrecision } from './mixed-precision.ts'
import { mixedWarnings } from './mixed-warnings.ts'
import { chooseByValue } from './observers-by-value.ts'
import { roundWeights } from './round-weights.ts'
import { openSearch, type Search, type SearchStep } from './search.ts'
import { measureSensitivity } from './sensitivity.ts'
import { skipSlowLayers } from './slow-layers.ts'
import { atRunTime, type Base, type Variant, type VariantInput } from './variant.ts'

export type SearchOptions = Pick<StaticMethod, 'observer' | 'per_channel' | 'bias_correction' | 'min_sqnr_db'> &
  Partial<Pick<StaticMethod, 'equalize' | 'smooth' | 'adaround' | 'skip_slow_layers'>> &
  Partial<Pick<VariantInput, 'recurrent'>>

/** What was found. `buildVariant(common, variant)` makes the quantized model, `planVariant(common, variant)` stops before the integers. */
export interface FoundStatic {
  common: VariantInput
  /** `variant.base` has the float model that it quantizes, and what was measured of it */
  variant: Variant
  steps: SearchStep[]
  /** how closely each layer follows the float model; nothing where nothing was judged */
  layers: LayerSensitivity[]
  /** what to tell of the search */
  warnings: Warning[]
  calibration: MethodOutput['calibration']
}

/** of SmoothQuant, that are tried */
const STRENGTHS = [0.35, 0.5, 0.65, 0.8]

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
  const { per_channel: perChannel, recurrent = false } = options
  const { excludes } = input
  const plan = planGraph(model.graph, target, { perChannel, excludes, atRunTime: atRunTime({ recurrent }) })
  if (quantizedIn(plan).length === 0) throw nothingToQuantize(refusalOf(plan), model.graph)
  const { calibration, judging, more } = searches(options, plan, model)
    ? await judgedApart(batches, input.recipe.seed)
    : { calibration: batches, judging: [], more: null }
  readConstants(model, MOST_RESIDENT)
  const common: VariantInput = { target, perChannel, domain: quantizeDomain, excludes, recurrent }
  const search = await openSearch(input, common, input.prepared.floatPath, judging)
  const started = input.now()
  const bases = openBases(input, plan, calibration, options)
  const base = await bases.first()
  const seconds = (input.now() - started) / 1000
  input.progress('quantizing', 0, 1)
  const climbed = await climb({ options, bases, search, common, plan, input, calibration, judging, more }, base)
  const measured = judging.length > 0 ? await measureSensitivity(input, common, climbed, judging) : []
  const goal = options.min_sqnr_db ?? (await rescueGoal(target, climbed, search))
  const isRescue = options.min_sqnr_db === undefined
  const expose = (variant: Variant) => bases.exposed(common, variant)
  const mixing = { common, search, expose, layers: measured, isRescue }
  const mixed = goal === undefined ? null : await mixPrecision(goal, climbed, mixing)
  const { variant, layers } = mixed ?? { variant: climbed, layers: measured }
  return {
    common,
    variant,
    layers,
    steps: search.steps,
    warnings: [
      ...(search.wasCutShort() ? [STOPPED] : []),
      ...(mixed ? mixedWarnings(target, options.min_sqnr_db, mixed) : []),
    ],
    calibration: {
      samples: variant.base.samples,
      observer: variant.observer.name,
      samples_per_second: calibration.samples / Math.max(seconds, 1e-6),
      values: base.statistics.size,
    },
  }
}

/** What calibrates, and the runs that judge what is tried. */
async function judgedApart(batches: CalibrationBatches, seed: number) {
  const { calibration, judging } = holdOutOfBatches(batches, JUDGING, seed)
  return { calibration, judging: await feedsOf(judging), more: calibration === batches ? null : judging }
}

const STOPPED: Warning = {
  code: 'search_stopped',
  detail:
    'the search for a better quantization used up half of the time that the job may run and ended with the best so far; give limits.max_runtime_seconds more, or name an observer and turn steps off',
}

/** outputs below this many dB are worth the time of adaptive rounding */
const POOR_DB = 30
/** batches whose activations decide how weights are rounded */
const ROUNDING_BATCHES = 16

async function tryRounding({ options, search, common, input, calibration }: Climb, best: Variant): Promise<Variant> {
  const { adaround = false } = options
  if (adaround === false || (adaround === 'auto' && !(search.canJudge && (await search.scoreOf(best)) < POOR_DB)))
    return best
  const count = ROUNDING_BATCHES * Math.ceil(calibration.samples / calibration.length)
  const drawn = await feedsOf(drawBatches(calibration, count, input.recipe.seed))
  const base = await roundWeights(input, common, best, drawn)
  if (!base) return best
  const rounded = { ...best, base }
  return adaround === true ? rounded : search.improve(best, [['adaptive rounding', rounded]])
}

/** outputs that follow worse than this are of no use, and what precision is mixed for then */
const USELESS_DB = 8
const RESCUED_DB = 20

/** The least that an artifact must do without being asked: outputs that follow the float model's. */
async function rescueGoal(target: IntegerTarget, variant: Variant, search: Search): Promise<number | undefined> {
  const canMix = target.wide_activation !== undefined || target.float_operators === 'allowed'
  if (!canMix || !search.canJudge) return undefined
  return (await search.scoreOf(variant)) < USELESS_DB ? RESCUED_DB : undefined
}

/** Whether anything is to be tried, so that samples have to judge it. */
function searches(options: SearchOptions, plan: Plan, model: Model): boolean {
  const { observer, bias_correction, min_sqnr_db, equalize, smooth, adaround } = options
  if (observer === 'auto' || bias_correction === 'auto' || adaround === 'auto' || min_sqnr_db !== undefined) return true
  return (equalize === 'auto' && hasCoarseWeights(plan)) || (smooth === 'auto' && smoothable(model).length > 0)
}

/** Equalization pays where a weight has one scale for channels of different size. */
const hasCoarseWeights = ({ constants }: Plan): boolean =>
  constants.some(({ role, axis }) => role === 'weight' && axis === null)

interface Climb {
  options: SearchOptions
  bases: Bases
  search: Search
  common: VariantInput
  plan: Plan
  input: MethodInput
  calibration: CalibrationBatches
  judging: readonly Record<string, RunTensor>[]
  /** the samples that judge, where they did not calibrate */
  more: CalibrationBatches | null
}

/** One step after the other, each kept only when the score says so. */
async function climb(climb: Climb, base: Base): Promise<Variant> {
  const { options, search } = climb
  const plain = (observer: Observer): Variant => ({
    base,
    observer,
    exceptions: new Map(),
    biasCorrection: options.bias_correction === true,
    float: new Map(),
    wide: new Set(),
  })
  const observed = observersFor(options.observer).map(plain)
  let best = await search.best(observed.map((variant) => [`observer ${variant.observer.name}`, variant] as const))
  for (const step of STEPS) if (!search.canJudge || !search.isOver()) best = await step(climb, best)
  return best
}

type Step = (climb: Climb, best: Variant) => Promise<Variant>

const STEPS: readonly Step[] = [
  tryObserversByValue,
  tryEqualizing,
  trySmoothing,
  tryBiasCorrection,
  tryRounding,
  tryFloatRecurrence,
  trySkippingSlow,
  measureAllSamples,
]

function tryObserversByValue({ options, search, common }: Climb, best: Variant): Promise<Variant> {
  if (options.observer !== 'auto' || !search.canJudge) return Promise.resolve(best)
  return chooseByValue(search, common, best, observersFor('auto'))
}

async function tryEqualizing({ options, bases, search, plan }: Climb, best: Variant): Promise<Variant> {
  if (options.equalize !== 'auto' || !search.canJudge || !hasCoarseWeights(plan)) return best
  const base = await bases.equalized(best.base)
  if (!base) return best
  const step = (observer: Observer) =>
    [
      `cross-layer equalization, observer ${observer.name}`,
      { ...best, base, observer, exceptions: new Map<string, Observer>() },
    ] as const
  return search.improve(best, observersFor(options.observer).map(step))
}

async function trySmoothing({ options, bases, search }: Climb, best: Variant): Promise<Variant> {
  if (options.smooth !== 'auto' || !search.canJudge) return best
  const smoothed = await bases.smoothed(best.base, STRENGTHS)
  return search.improve(
    best,
    smoothed.map(({ alpha, base }) => [`smoothing with strength ${alpha}`, { ...best, base }] as const),
  )
}

async function tryBiasCorrection({ options, search }: Climb, best: Variant): Promise<Variant> {
  if (options.bias_correction !== 'auto' || !search.canJudge) return best
  return search.improve(best, [['bias correction', { ...best, biasCorrection: true }]])
}

/** dB that the outputs must win for recurrent layers to stay float */
const WORTH_FLOAT_DB = 3

async function tryFloatRecurrence({ search, plan }: Climb, best: Variant): Promise<Variant> {
  const layers = [...plan.atRunTime.keys()].map(
    ({ name }) => [name, 'in integers it costs the outputs too much'] as const,
  )
  if (layers.length === 0 || !search.canJudge || (await search.scoreOf(best)) >= POOR_DB) return best
  const float = { ...best, float: new Map([...best.float, ...layers]) }
  return search.improve(best, [['recurrent layers float', float]], WORTH_FLOAT_DB)
}

/** dB that ranges of more samples may cost the samples that judge: what they gain shows on others */
const TOLERATED_DB = 0.1

/** When all is decided, the samples that judged calibrate too. */
async function measureAllSamples({ bases, search, more }: Climb, best: Variant): Promise<Variant> {
  if (!more) return best
  const base = await bases.extended(best.base, more)
  return search.improve(best, [['ranges of the samples that judge, too', { ...best, base }]], -TOLERATED_DB)
}

async function trySkippingSlow(climb: Climb, best: Variant): Promise<Variant> {
  const { options, bases, input, common, search, judging } = climb
  const [feeds] = judging
  const skips = options.skip_slow_layers === true && isTimedHere(common.target) && !input.prepared.large
  if (!skips || !feeds) return best
  const expose = (variant: Variant) => bases.exposed(common, variant)
  const timing = { input, common, search, feeds, expose }
  return keepUp(timing, await skipSlowLayers(timing, best))
}

/** What no node of the plan is, or why the first that could be is not. */
function refusalOf({ reasons }: Plan): string {
  const layers = [...reasons]
  const first = layers.find(([node]) => opOf(node)?.class === 'multiply') ?? layers.find(([node]) => hasMatrix(node))
  const detail = first
    ? `for example node "${first[0].name}" (${first[0].opType}): ${first[1]}`
    : 'it has no Conv, Gemm or MatMul with a float32 constant'
  return `No node of the model can run in integers: ${detail}.`
}
