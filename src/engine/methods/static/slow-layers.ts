/** Layers that integers make slower on this processor stay float, where the whole artifact gains by it. */
import type { Node, Value } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import { medianTimes } from '../../runtime/profile.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { timesInTurns } from '../../runtime/turns.ts'
import type { MethodInput } from '../method.ts'
import type { Search } from './search.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

/** runs that are profiled, and those that decide */
const PROFILED = 10
const TURNS = { most: 50, least: 10, budgetMs: 1500 }
/** how much slower a layer is that is looked at, first with all of these and then with the worst alone */
const RATIOS = [1.3, 2.5]
/** what a layer must lose, of a run of the float model and in milliseconds: less is noise */
const LEAST_SHARE = 0.03
const LEAST_MS = 0.1
/** of the time before that an artifact may take in order to be kept */
const WORTH_IT = 0.95

interface Slow {
  name: string
  ratio: number
  reason: string
}

/** The variant with its slow layers in float, or the variant itself. `feeds` of one run. */
export async function skipSlowLayers(
  input: MethodInput,
  common: VariantInput,
  variant: Variant,
  search: Search,
  feeds: Record<string, RunTensor>,
): Promise<Variant> {
  const slow = await slowLayers(input, common, variant, feeds)
  for (const ratio of RATIOS) {
    const worst = slow.filter((layer) => layer.ratio >= ratio)
    if (worst.length === 0 || (ratio !== RATIOS[0] && worst.length === slow.length)) continue
    const faster = {
      ...variant,
      float: new Map([...variant.float, ...worst.map(({ name, reason }) => [name, reason] as const)]),
    }
    const score = await search.scoreOf(faster)
    // Without a score there is nothing left in integers, or no time.
    const kept = Number.isFinite(score) && (await isWorthIt(input, common, variant, faster, feeds))
    search.steps.push({ step: `${worst.length} slow layers float`, sqnr_db: score, kept })
    if (kept) return faster
  }
  return variant
}

/** Quantized layers whose kernel takes longer than the float model's. */
async function slowLayers(
  { runtime, workspace, prepared }: MethodInput,
  common: VariantInput,
  variant: Variant,
  feeds: Record<string, RunTensor>,
): Promise<Slow[]> {
  const { model, plan } = buildVariant(common, variant)
  const profile = async (path: string) => {
    const session = await runtime.load(path, { optimization: 'all', profile: 'times' })
    for (let i = 0; i < PROFILED; i++) await session.run(feeds)
    const times = medianTimes(session.kernels?.() ?? [])
    await session.release()
    return times
  }
  const quantized = await profile(workspace.save('slow-layers.onnx', model))
  const float = await profile(prepared.floatPath)
  const total = [...float.values()].reduce((sum, time) => sum + time, 0)
  const byName = new Map([...prepared.model.graph.nodes].map((node) => [node.name, node]))
  return [...plan.nodes].flatMap(({ name }) => {
    const node = byName.get(name)
    if (!node || !computes(node)) return []
    const [before, after] = [floatTime(node, float), quantized.get(name)]
    if (before === undefined || after === undefined) return []
    const loss = after - before
    const isSlow = after >= before * RATIOS[0]! && loss >= LEAST_MS && loss >= total * LEAST_SHARE
    const reason = `in integers it takes ${after.toFixed(2)} ms here, in float ${before.toFixed(2)} ms`
    return isSlow ? [{ name, ratio: after / before, reason }] : []
  })
}

/** What only moves numbers costs the same in any form, and a clamp costs nothing. */
function computes(node: Node): boolean {
  const kind = opOf(node)?.class
  return kind === 'multiply' || kind === 'pointwise'
}

/** In blocks of channels a convolution is named after what it writes, a clamp or a sum behind it included. */
function floatTime(node: Node, times: ReadonlyMap<string, number>): number | undefined {
  const written = resultsOf(node).map(({ name }) => times.get(`${name}_nchwc`))
  return written.find((time) => time !== undefined) ?? times.get(node.name)
}

const MOST_FUSED = 3

/** What a node writes, and what is made of it alone. */
function resultsOf(node: Node): Value[] {
  const results: Value[] = []
  for (let [value] = node.outputs; value && results.length <= MOST_FUSED; ) {
    results.push(value)
    const [reader, ...others] = value.consumers.keys()
    value = reader && others.length === 0 ? (reader.outputs[0] ?? null) : null
  }
  return results
}

/** Whether the second variant takes clearly less time than the first. */
async function isWorthIt(
  { runtime, workspace, now }: MethodInput,
  common: VariantInput,
  before: Variant,
  after: Variant,
  feeds: Record<string, RunTensor>,
): Promise<boolean> {
  const load = (name: string, variant: Variant) =>
    runtime.load(workspace.save(name, buildVariant(common, variant).model), { optimization: 'all' })
  const sessions = [await load('before.onnx', before), await load('after.onnx', after)] as const
  const runs = sessions.map((session) => () => session.run(feeds))
  const times = await timesInTurns(runs, { ...TURNS, threads: runtime.threads, now })
  for (const session of sessions) await session.release()
  const [first, second] = times.map((own) => own.toSorted((a, b) => a - b)[own.length >> 1]!)
  return second! <= WORTH_IT * first!
}
