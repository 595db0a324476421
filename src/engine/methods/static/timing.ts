/** How long variants take on this machine, as a whole and layer by layer. */
import type { RunTensor } from '../../runtime/runtime.ts'
import { layerTimes, type ModelTimes } from '../../verify/layer-times.ts'
import { timesSideBySide } from '../../verify/side-by-side.ts'
import type { MethodInput } from '../method.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

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
  const paths = variants.map((variant, i) => workspace.save(`timed-${i}.onnx`, buildVariant(common, variant).model))
  const [float, ...others] = await timesSideBySide([prepared.floatPath, ...paths], {
    runtime,
    now,
    feeds,
    share: LOWER,
  })
  return { float: float!, variants: others }
}

/** What else a machine does makes runs longer and never shorter. */
const LOWER = 1 / 4
