/** Mixed precision: the values that lose most stay float until the outputs reach a goal. */
import type { Graph } from '../ir/graph.ts'
import { activationSpec } from '../quant/assign.ts'
import { rankValues, type Sensitivity } from '../quant/sensitivity.ts'
import type { Search } from './search.ts'
import type { Variant, VariantInput } from './variant.ts'

/** how many of the worst values are taken out of the integers, in turn */
const FLOAT_COUNTS = [2, 4, 8, 16, 32]
/** a step that wins less than this is not kept */
const LEAST_GAIN_DB = 0.5

/** Takes the values that lose most out of the integers until the score reaches `goal` dB or does not improve any more. */
export async function mixPrecision(
  goal: number,
  start: Variant,
  { target }: VariantInput,
  search: Search,
): Promise<Variant> {
  if (!search.canJudge) return start
  const ranked = rankValues(start.base.statistics, start.observer, activationSpec(target))
  const { graph } = start.base.model
  let best = start
  for (const count of FLOAT_COUNTS) {
    const before = await search.scoreOf(best)
    if (before >= goal || count > 2 * ranked.length) break
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
