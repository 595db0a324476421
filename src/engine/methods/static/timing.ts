/** How long variants take on this machine, as a whole and layer by layer. */
import type { RunTensor, Session } from '../../runtime/runtime.ts'
import { timesInTurns } from '../../runtime/turns.ts'
import { layerTimes, type ModelTimes } from '../../verify/layer-times.ts'
import type { MethodInput } from '../method.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

const TURNS = { most: 50, least: 10, budgetMs: 1500 }

type Tools = Pick<MethodInput, 'runtime' | 'workspace' | 'prepared' | 'now'>
type Feeds = Record<string, RunTensor>

/** Times of the layers that a variant quantizes, with those of the whole models. */
export async function timesOfLayers(
  { runtime, workspace, prepared }: Tools,
  common: VariantInput,
  variant: Variant,
  feeds: Feeds,
): Promise<ModelTimes> {
  const { model, plan } = buildVariant(common, variant)
  const path = workspace.save('profiled.onnx', model)
  const { floatPath, model: float } = prepared
  const times = await layerTimes({ runtime, floatPath, path, model, graph: float.graph, feeds })
  const names = new Set([...plan.nodes].map(({ name }) => name))
  return { ...times, layers: times.layers.filter(({ node }) => names.has(node.name)) }
}

/** Milliseconds of a run of the float model and of each variant, in turns. */
export async function runTimes(
  { runtime, workspace, prepared, now }: Tools,
  common: VariantInput,
  variants: readonly Variant[],
  feeds: Feeds,
): Promise<{ float: number; variants: number[] }> {
  const sessions: Session[] = []
  try {
    sessions.push(await runtime.load(prepared.floatPath, { optimization: 'all' }))
    for (const [i, variant] of variants.entries()) {
      const path = workspace.save(`timed-${i}.onnx`, buildVariant(common, variant).model)
      sessions.push(await runtime.load(path, { optimization: 'all' }))
    }
    const runs = sessions.map((session) => () => session.run(feeds))
    const times = await timesInTurns(runs, { ...TURNS, threads: runtime.threads, now })
    const [float, ...others] = times.map(quartile)
    return { float: float!, variants: others }
  } finally {
    for (const session of sessions) await session.release()
  }
}

/** The lower one: what else a machine does makes runs longer and never shorter. */
const quartile = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 2]!
