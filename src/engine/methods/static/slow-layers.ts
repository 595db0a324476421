/** Layers that integers make slower on this processor stay float, where the whole artifact gains by it. */
import type { Node } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { LayerTime } from '../../verify/layer-times.ts'
import type { MethodInput } from '../method.ts'
import type { Search } from './search.ts'
import { runTimes, timesOfLayers } from './timing.ts'
import type { Variant, VariantInput } from './variant.ts'

/** how much slower a layer is that is looked at, first with all of these and then with the worst alone */
const RATIOS = [1.3, 2.5]
/** what a layer must lose, of a run of the float model and in milliseconds: less is noise */
const LEAST_SHARE = 0.03
const LEAST_MS = 0.1
/** of the time before that an artifact may take in order to be kept */
const WORTH_IT = 0.95

export interface Timing {
  input: MethodInput
  common: VariantInput
  search: Search
  /** of one run */
  feeds: Record<string, RunTensor>
  /** the variant with ranges of what its layers write for neighbours that may leave the integers */
  expose: (variant: Variant) => Promise<Variant>
}

/** The variant with its slow layers in float, or the variant itself. */
export async function skipSlowLayers(timing: Timing, variant: Variant): Promise<Variant> {
  const { input, common, search, feeds } = timing
  const slow = await slowLayers(input, common, variant, feeds)
  if (slow.length === 0) return variant
  const open = await timing.expose(variant)
  for (const ratio of RATIOS) {
    const worst = slow.filter(({ float, quantized }) => quantized! >= float! * ratio)
    if (worst.length === 0 || (ratio !== RATIOS[0] && worst.length === slow.length)) continue
    const faster = inFloat(open, worst)
    const score = await search.scoreOf(faster)
    // Without a score there is nothing left in integers, or no time.
    const kept = Number.isFinite(score) && (await isWorthIt(input, common, variant, faster, feeds))
    search.steps.push({ step: `${worst.length} slow layers float`, sqnr_db: score, kept })
    if (kept) return faster
  }
  return variant
}

/** The variant without integers in these layers, each with its times as the reason. */
export const inFloat = (variant: Variant, layers: readonly LayerTime[]): Variant => ({
  ...variant,
  float: new Map([...variant.float, ...layers.map((layer) => [layer.node.name, reasonFor(layer)] as const)]),
})

function reasonFor({ float = 0, quantized = 0, conversions }: LayerTime): string {
  const between = conversions > 0 ? `, its conversions ${conversions.toFixed(3)} ms,` : ''
  return `in integers it takes ${quantized.toFixed(3)} ms here${between} in float ${float.toFixed(3)} ms`
}

/** Quantized layers whose kernel takes longer than the float model's. */
async function slowLayers(
  input: MethodInput,
  common: VariantInput,
  variant: Variant,
  feeds: Record<string, RunTensor>,
): Promise<LayerTime[]> {
  const { layers, float: total } = await timesOfLayers(input, common, variant, feeds)
  return layers.filter(({ node, float, quantized }) => {
    if (!computes(node) || float === undefined || quantized === undefined) return false
    const loss = quantized - float
    return quantized >= float * RATIOS[0]! && loss >= LEAST_MS && loss >= total * LEAST_SHARE
  })
}

/** What only moves numbers costs the same in any form, and a clamp costs nothing. */
export function computes(node: Node): boolean {
  const kind = opOf(node)?.class
  return kind === 'multiply' || kind === 'pointwise'
}

/** Whether the second variant takes clearly less time than the first. */
async function isWorthIt(
  input: MethodInput,
  common: VariantInput,
  before: Variant,
  after: Variant,
  feeds: Record<string, RunTensor>,
): Promise<boolean> {
  const { variants } = await runTimes(input, common, [before, after], feeds)
  const [first, second] = variants
  return second! <= WORTH_IT * first!
}
