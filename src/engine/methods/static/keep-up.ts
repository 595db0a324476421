/** An artifact that is slower than the float model gives layers back to float, those that lose most first, as long as that helps. */
import { opOf } from '../../ops/index.ts'
import type { LayerTime } from '../../verify/layer-times.ts'
import { affordableOf } from './floor.ts'
import { computes, inFloat, type Timing } from './slow-layers.ts'
import { runTimes, timesOfLayers } from './timing.ts'
import type { Variant } from './variant.ts'

/** times that layers are given back */
const MOST_ROUNDS = 3
/** An artifact that loses less is left alone: noise would decide, and small models would not give the same file every time. */
const LEAST_LOSS_MS = 0.1
/** of the time before that an artifact may take in order to be kept */
const WORTH_IT = 0.97

/** The variant, or one that is faster with fewer layers in integers where the variant is slower than the float model. */
export async function keepUp(keeping: Timing, variant: Variant): Promise<Variant> {
  const { input, common, search, feeds } = keeping
  let best = variant
  let { float, variants } = await runTimes(input, common, [best], feeds)
  // What loses by chance seldom does so twice.
  if (losesTime(float, variants)) ({ float, variants } = await runTimes(input, common, [best], feeds))
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (!losesTime(float, variants) || search.isOver()) break
    const open = await keeping.expose(best)
    const candidates = await candidatesFor(keeping, open)
    if (candidates.length === 0) break
    const timed = await runTimes(input, common, [best, ...candidates.map((one) => one.variant)], feeds)
    const [before, ...after] = timed.variants as [number, ...number[]]
    const fastest = after.indexOf(Math.min(...after))
    const { variant: found, count } = candidates[fastest]!
    const kept = after[fastest]! <= WORTH_IT * before
    const step = `${count} layers float, to keep up with the float model`
    search.steps.push({ step, sqnr_db: await search.scoreOf(kept ? found : best), kept })
    if (!kept) break
    best = found
    ;({ float, variants } = { float: timed.float, variants: [after[fastest]!] })
  }
  return best
}

const losesTime = (float: number, [variant]: readonly number[]): boolean =>
  variant !== undefined && variant - float >= LEAST_LOSS_MS

interface Candidate {
  variant: Variant
  count: number
}

/** Variants with fewer layers in integers: without those that make up half of the loss, without all that lose, and without everything but multiplications. */
async function candidatesFor({ input, common, feeds }: Timing, best: Variant): Promise<Candidate[]> {
  const { layers } = await timesOfLayers(input, common, best, feeds)
  const { graph } = input.prepared.model
  const timed = layers.filter(({ node }) => computes(node))
  const losing = timed.filter((layer) => lossOf(layer) > 0).toSorted((a, b) => lossOf(b) - lossOf(a))
  const names = new Set(layers.map(({ node }) => node.name))
  const pointwise = timed.filter(({ node }) => opOf(node)?.class === 'pointwise')
  const sets = [mostOf(losing), losing, [...new Set([...losing, ...pointwise])]]
  const affordable = sets
    .map((set) => affordableOf(set, graph, names, ({ node }) => [node]))
    .filter((set) => set.length > 0)
  return affordable
    .filter((set, i) => affordable.findIndex((other) => other.length === set.length) === i)
    .map((set) => ({ variant: inFloat(best, set), count: set.length }))
}

/** Milliseconds that a layer and its conversions take longer than in float. What float fuses with others takes no time of its own there. */
function lossOf({ node, float, quantized, conversions }: LayerTime): number {
  const isFused = opOf(node)?.class === 'pointwise'
  if (quantized === undefined || (float === undefined && !isFused)) return 0
  return quantized + conversions - (float ?? 0)
}

/** The first that make up half of the loss of all. */
function mostOf(losing: readonly LayerTime[]): LayerTime[] {
  const half = losing.reduce((sum, layer) => sum + lossOf(layer), 0) / 2
  let lost = 0
  return losing.filter((layer) => {
    const isIn = lost < half
    lost += lossOf(layer)
    return isIn
  })
}
