/** Mixed precision: as few layers as possible leave the 8-bit integers so that the outputs reach a goal. */

import type { LayerSensitivity } from '../../../contract/report.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import { affordableOf } from './floor.ts'
import type { Search } from './search.ts'
import { planVariant, type Variant, type VariantInput } from './variant.ts'

/** layers that are tried one at a time: those that add most to the error of their results */
const MOST_TRIED = 16
/** what wins less than this is not kept */
const LEAST_GAIN_DB = 0.5

/** A layer, and what the outputs win without its rounding. */
interface Gain {
  layer: LayerSensitivity
  /** the layer and the clamps that it absorbs */
  nodes: readonly string[]
  db: number
  /** SQNR of the outputs in dB with this layer as the only one in integers, where that was tried */
  alone?: number
}

export interface Mixed {
  variant: Variant
  /** with the gain of every layer that was tried */
  layers: LayerSensitivity[]
  /** of the outputs, in dB */
  before: number
  reached: number
  /** layers that left the 8-bit integers */
  count: number
}

export interface Mixing {
  common: VariantInput
  search: Search
  /** the variant with ranges of what its layers write for neighbours that may leave the integers */
  expose: (variant: Variant) => Promise<Variant>
  /** of the variant that precision is mixed in */
  layers: readonly LayerSensitivity[]
  /** nobody asked for it: half stays in integers */
  isRescue: boolean
}

/** Lets one layer at a time leave the integers, measures what the outputs win, and finds the fewest that reach `goal` dB. */
export async function mixPrecision(goal: number, climbed: Variant, mixing: Mixing): Promise<Mixed> {
  const { common, search, layers, isRescue } = mixing
  const before = await search.scoreOf(climbed)
  const unchanged = { variant: climbed, layers: [...layers], before, reached: before, count: 0 }
  if (!search.canJudge || before >= goal) return unchanged
  const refuge = common.target.wide_activation ? WIDE : FLOAT
  const start = refuge === FLOAT ? await mixing.expose(climbed) : climbed
  const gains: Gain[] = []
  for (const { layer, nodes } of candidates(start.base.model.graph, layers)) {
    const alone = { layer, nodes, db: Number.NaN }
    gains.push({ ...alone, db: (await search.scoreOf(refuge.take(start, [alone]))) - before })
  }
  const afford = isRescue && refuge === FLOAT ? affordable(common, start) : (all: readonly Gain[]) => all
  const ordered = afford(gains.filter(({ db }) => db > 0).toSorted((a, b) => b.db - a.db))
  const first = await fewest(goal, start, ordered, refuge, search)
  const reached = (await search.scoreOf(first.best)) >= goal
  const few = reached ? first : await byLoneliness({ goal, start, layers, refuge, search, afford }, first)
  const { best, count } = refuge === WIDE ? await everywhereWide(goal, start, search, few) : few
  const gainOf = new Map(gains.flatMap(({ layer, db }) => (Number.isFinite(db) ? [[layer.node, db] as const] : [])))
  const won = (await search.scoreOf(best)) - before
  const kept = count > 0 && won >= LEAST_GAIN_DB
  if (count > 0) search.steps.push({ step: `${count} ${refuge.name}`, sqnr_db: before + won, kept })
  return {
    variant: kept ? best : climbed,
    before,
    reached: kept ? before + won : before,
    count: kept ? count : 0,
    layers: layers.map((layer) => ({ ...layer, gain_db: gainOf.get(layer.node) ?? null })),
  }
}

/** Wide activations in every layer, where a few of them do not reach the goal. */
async function everywhereWide(goal: number, start: Variant, search: Search, few: Fewest): Promise<Fewest> {
  const reached = await search.scoreOf(few.best)
  if (reached >= goal) return few
  const names = [...start.base.model.graph.nodes].map(({ name }) => name)
  const all = { best: { ...start, wide: new Set(names) }, count: names.length }
  return (await search.scoreOf(all.best)) > reached ? all : few
}

/** layers that are tried as the only ones in 8-bit integers */
const MOST_ALONE = 96
/** a layer that alone stays so far above the goal is not in the way */
const CLEARANCE_DB = 10

/**
 * Where several layers ruin the outputs one behind the other, taking one out wins nothing. Then each layer is tried as the only one in
 * integers, and those that ruin the outputs alone leave first.
 */
async function byLoneliness(
  { goal, start, layers, refuge, search, afford }: Lonely,
  fallback: Fewest,
): Promise<Fewest> {
  const all = grouped(start.base.model.graph, layers).map((one) => ({ ...one, db: Number.NaN }))
  const scored: { gain: Gain; score: number }[] = []
  for (const gain of all.slice(0, MOST_ALONE))
    scored.push({
      gain,
      score: await search.scoreOf(
        refuge.take(
          start,
          all.filter((other) => other !== gain),
        ),
      ),
    })
  const worst = scored.filter(({ score }) => score < goal + CLEARANCE_DB).toSorted((a, b) => a.score - b.score)
  const found = await fewest(
    goal,
    start,
    afford(worst.map(({ gain, score }) => ({ ...gain, alone: score }))),
    refuge,
    search,
  )
  return (await search.scoreOf(found.best)) > (await search.scoreOf(fallback.best)) ? found : fallback
}

interface Lonely {
  goal: number
  start: Variant
  layers: readonly LayerSensitivity[]
  refuge: Refuge
  search: Search
  /** of layers in their order, those that may leave the integers together */
  afford: (gains: readonly Gain[]) => readonly Gain[]
}

function affordable(common: VariantInput, start: Variant) {
  const { model, plan } = planVariant(common, start)
  const names = new Set([...plan.nodes].map(({ name }) => name))
  const byName = new Map([...model.graph.nodes].map((node) => [node.name, node]))
  return (gains: readonly Gain[]) =>
    affordableOf(gains, model.graph, names, ({ nodes }) => nodes.flatMap((name) => byName.get(name) ?? []))
}

interface Fewest {
  best: Variant
  count: number
}

/** Where layers go that are too rough as 8-bit integers. */
interface Refuge {
  name: string
  take(variant: Variant, gains: readonly Gain[]): Variant
}

const FLOAT: Refuge = {
  name: 'layers float',
  take: (variant, gains) => ({
    ...variant,
    float: new Map([
      ...variant.float,
      ...gains.flatMap((gain) => gain.nodes.map((name) => [name, reasonFor(gain)] as const)),
    ]),
  }),
}

const WIDE: Refuge = {
  name: 'layers with wide activations',
  take: (variant, gains) => ({ ...variant, wide: new Set([...variant.wide, ...gains.flatMap(({ nodes }) => nodes)]) }),
}

const reasonFor = ({ layer, db, alone }: Gain): string =>
  Number.isNaN(db)
    ? `as the only layer in integers it leaves the outputs at ${alone?.toFixed(1) ?? '?'} dB`
    : `its integers cost the outputs ${db.toFixed(1)} dB ("${layer.value}" keeps ${layer.sqnr_db.toFixed(1)} dB)`

/** Doubles the number of layers until the goal is reached, then looks for the smallest number; without reaching it, the best that was seen. */
async function fewest(
  goal: number,
  start: Variant,
  ordered: readonly Gain[],
  refuge: Refuge,
  search: Search,
): Promise<Fewest> {
  const variants = new Map<number, Variant>([[0, start]])
  const variantOf = (count: number): Variant => {
    const variant = variants.get(count) ?? refuge.take(start, ordered.slice(0, count))
    variants.set(count, variant)
    return variant
  }
  const scoreOf = (count: number) => search.scoreOf(variantOf(count))
  let [below, reached] = [0, 0]
  for (let count = 1; reached === 0 && below < ordered.length; count *= 2) {
    const tried = Math.min(count, ordered.length)
    if ((await scoreOf(tried)) >= goal) reached = tried
    else below = tried
  }
  while (reached > below + 1) {
    const middle = (below + reached) >> 1
    if ((await scoreOf(middle)) >= goal) reached = middle
    else below = middle
  }
  if (reached > 0) return { best: variantOf(reached), count: reached }
  let [count, most] = [0, await scoreOf(0)]
  for (const tried of variants.keys()) {
    const score = await scoreOf(tried)
    if (score > most) [count, most] = [tried, score]
  }
  return { best: variantOf(count), count }
}

/** The layers that add most noise to what they read, with what they absorb. */
const candidates = (graph: Graph, layers: readonly LayerSensitivity[]): Candidate[] =>
  grouped(graph, layers)
    .toSorted((a, b) => b.added - a.added)
    .slice(0, MOST_TRIED)

interface Candidate {
  layer: LayerSensitivity
  /** the layer and the clamps that it absorbs */
  nodes: string[]
  /** noise of its result beyond that of what it reads */
  added: number
}

/** Every layer with what it absorbs. */
function grouped(graph: Graph, layers: readonly LayerSensitivity[]): Candidate[] {
  const byName = new Map([...graph.nodes].map((node) => [node.name, node]))
  const noise = new Map(layers.map(({ value, sqnr_db }) => [value, 10 ** (-sqnr_db / 10)]))
  return layers.flatMap((layer) => {
    const nodes = groupOf(byName.get(layer.node), noise)
    const inputs = nodes.at(-1)?.inputs.map((value) => noise.get(value?.name ?? '') ?? 0) ?? []
    const added = (noise.get(layer.value) ?? 0) - Math.max(0, ...inputs)
    return nodes.length > 0 ? [{ layer, nodes: nodes.map(({ name }) => name), added }] : []
  })
}

/** A node and what lies in front of it without numbers of its own: a clamp and the layer that absorbs it. */
function groupOf(node: Node | undefined, measured: ReadonlyMap<string, number>): Node[] {
  if (!node) return []
  const [input] = node.inputs
  const isClamp = opOf(node)?.class === 'clamp'
  if (!isClamp || !input?.producer || measured.has(input.name)) return [node]
  return [node, ...groupOf(input.producer, measured)]
}
