/** Static post-training quantization: plan, calibrate, try what may help, keep what does. */
import { FewbitError } from '../../shared/errors.ts'
import type { Graph, Node } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { opOf } from '../ops/index.ts'
import { activationSpec } from '../quant/assign.ts'
import {
  addExtremes,
  addInputMeans,
  exposeValues,
  type Measured,
  measureExtremes,
  measureHistograms,
} from '../quant/calibrate.ts'
import { describePlan } from '../quant/describe.ts'
import { observersFor } from '../quant/observers/index.ts'
import type { Observer } from '../quant/observers/observer.ts'
import { type Plan, planGraph } from '../quant/plan.ts'
import { rankValues, type Sensitivity } from '../quant/sensitivity.ts'
import { StaticMethod } from '../recipe.ts'
import type { RunTensor } from '../runtime/runner.ts'
import type { IntegerTarget } from '../targets/target.ts'
import { compatStatic } from './compat.ts'
import type { CalibrationBatches, Method, MethodInput } from './method.ts'
import { openSearch, type Search } from './search.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

export const staticMethod: Method = async (input) => {
  const options = StaticMethod.parse(input.recipe.method)
  const target = input.target as IntegerTarget
  if (options.compat) return compatStatic(input, options, requireBatches(input.batches))
  const { model, quantizeDomain } = input.prepared
  const plan = planGraph(model.graph, target, { perChannel: options.per_channel, excludes: input.excludes })
  if (plan.nodes.size === 0) throw nothingToQuantize(plan)
  const batches = requireBatches(input.batches)
  const observers = observersFor(options.observer)
  const path = input.workspace.save('prepared.onnx', model)
  const searches = observers.length > 1 || options.bias_correction === 'auto' || options.min_sqnr_db !== undefined
  const split = searches ? await splitForJudging(batches) : { calibration: batches, judging: [] }
  const started = input.now()
  const measured = await measure(input, path, plan, observers, split.calibration, options.min_sqnr_db !== undefined)
  const seconds = (input.now() - started) / 1000
  input.progress('quantizing', 0, 1)
  const { per_channel: perChannel } = options
  const common: VariantInput = {
    path,
    target,
    perChannel,
    domain: quantizeDomain,
    excludes: input.excludes,
    ...measured,
  }
  const search = await openSearch(input, common, split.judging)
  const corrected = await chooseVariant(options, observers, search.best)
  const variant = await mixPrecision(options, corrected, common, search)
  const built = buildVariant(common, variant)
  return {
    model: built.model,
    plan: describePlan(input.recipe, built.plan, built.parameters),
    quantizedNodes: built.plan.nodes.size,
    macsInteger: shareOfMacs([...model.graph.nodes], sameNodes(plan, built.plan)),
    calibration: {
      samples: split.calibration.samples,
      observer: variant.observer.name,
      samples_per_second: split.calibration.samples / Math.max(seconds, 1e-6),
      values: measured.statistics.size,
    },
    options: {
      type: 'static',
      observer: variant.observer.name,
      per_channel: perChannel,
      bias_correction: variant.biasCorrection,
      ...(variant.float.size > 0 && { float_nodes: [...variant.float.keys()] }),
    },
    search: search.steps,
  }
}

/** how many of the worst values are taken out of the integers, in turn */
const FLOAT_COUNTS = [2, 4, 8, 16, 32]
/** a step that wins less than this ends the search */
const LEAST_GAIN_DB = 0.5

/** Takes the values that lose most out of the integers until the score reaches the goal or does not improve any more. */
async function mixPrecision(
  { min_sqnr_db }: StaticMethod,
  start: Variant,
  common: VariantInput,
  search: Search,
): Promise<Variant> {
  if (min_sqnr_db === undefined || !search.canJudge) return start
  const ranked = rankValues(common.statistics, start.observer, activationSpec(common.target))
  const { graph } = decodeModel(common.path).model
  let best = start
  for (const count of FLOAT_COUNTS) {
    const before = await search.scoreOf(best)
    if (before >= min_sqnr_db || count > 2 * ranked.length) break
    const variant = { ...start, float: nodesAround(graph, ranked.slice(0, count)) }
    const gain = (await search.scoreOf(variant)) - before
    search.steps.push({
      step: `${variant.float.size} nodes float`,
      sqnr_db: before + gain,
      kept: gain >= LEAST_GAIN_DB,
    })
    if (gain >= LEAST_GAIN_DB) best = variant
  }
  return best
}

/** The nodes that compute these values, or read them when they are inputs of the model. */
function nodesAround(graph: Graph, worst: readonly Sensitivity[]): Map<string, string> {
  const reasons = new Map(
    worst.map(({ value, sqnr_db }) => [value, `"${value}" keeps only ${sqnr_db.toFixed(1)} dB as integers`]),
  )
  const named = [...graph.nodes].flatMap((node) => {
    const values = [...node.outputs, ...node.inputs.filter((value) => value && graph.inputs.includes(value))]
    const reason = values.flatMap((value) => (value && reasons.get(value.name)) || [])[0]
    return reason ? [[node.name, reason] as const] : []
  })
  return new Map(named)
}

/** The nodes of the first plan that the second, made of another copy of the graph, quantizes too. */
function sameNodes(first: Plan, second: Plan): Set<Node> {
  const names = new Set([...second.nodes].map(({ name }) => name))
  return new Set([...first.nodes].filter(({ name }) => names.has(name)))
}

type Best = (variants: readonly (readonly [string, Variant])[]) => Promise<Variant>

/** Observer first, then bias correction; each is kept only when the score says so. */
async function chooseVariant(
  { bias_correction }: StaticMethod,
  observers: readonly Observer[],
  best: Best,
): Promise<Variant> {
  const plain = (observer: Observer): Variant => ({
    observer,
    biasCorrection: bias_correction === true,
    float: new Map(),
  })
  const observed = await best(observers.map((observer) => [`observer ${observer.name}`, plain(observer)] as const))
  if (bias_correction !== 'auto') return observed
  return best([
    ['without bias correction', observed],
    ['bias correction', { ...observed, biasCorrection: true }],
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

/** samples that judge, at most, and the part of the calibration data that they may take */
const MOST_JUDGING = 32
const JUDGING_PART = 4
const LEAST_SAMPLES = 40

/** Sets the last batches aside; a small data set both calibrates and judges. */
async function splitForJudging(batches: CalibrationBatches) {
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

/** One pass for the extremes, a second one for histograms when an observer needs them. */
async function measure(
  input: MethodInput,
  path: string,
  plan: Plan,
  observers: readonly Observer[],
  batches: CalibrationBatches,
  wantsHistograms: boolean,
): Promise<Measured> {
  const { runtime, workspace } = input
  const names = [...plan.values].flatMap(([value, planned]) => (planned.kind === 'own' ? [value.name] : []))
  const passes = wantsHistograms || observers.some(({ needsHistogram }) => needsHistogram) ? 2 : 1
  let done = 0
  input.progress('calibrating', 0, passes * batches.length)
  const onBatch = () => input.progress('calibrating', ++done, passes * batches.length)
  const probe = decodeModel(path).model
  const outputs = addExtremes(probe, names)
  const means = addInputMeans(probe, new Set([...plan.biases.keys()].map(({ name }) => name)))
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  const measured = await measureExtremes({ session, outputs, means, batches, onBatch })
  await session.release()
  if (passes === 1) return measured
  const exposed = decodeModel(path).model
  exposeValues(exposed, names)
  const second = await runtime.load(workspace.save('calibration.onnx', exposed), { optimization: 'all' })
  const statistics = await measureHistograms({ session: second, statistics: measured.statistics, batches, onBatch })
  await second.release()
  return { ...measured, statistics }
}

function requireBatches(batches: CalibrationBatches | null): CalibrationBatches {
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

/** Share of multiply-accumulates in `chosen`; null when a shape is unknown. */
export function shareOfMacs(nodes: readonly Node[], chosen: ReadonlySet<Node>): number | null {
  const macs = (node: Node) => opOf(node)?.macs?.(node) ?? 0
  const sum = (some: readonly Node[]) => some.reduce((total, node) => total + macs(node), 0)
  const total = sum(nodes)
  return Number.isFinite(total) && total > 0 ? sum(nodes.filter((node) => chosen.has(node))) / total : null
}
