/** The warning about an artifact that is slower than its float model here: where its time goes, and what is faster. */
import { factsOf } from '../../contract/method-facts.ts'
import type { Warning } from '../../contract/report.ts'
import type { Model } from '../ir/graph.ts'
import type { Prepared } from '../prepare/index.ts'
import type { Run } from '../run.ts'
import { isTimedHere } from '../targets/target.ts'
import { type LayerTime, layerTimes, type ModelTimes } from '../verify/layer-times.ts'
import { timesSideBySide } from '../verify/side-by-side.ts'
import type { Verification } from '../verify/verify.ts'

/** a machine measures its own speed no closer than this */
const NOTICEABLY_SLOWER = 0.95
const MOST_NAMED = 3
/** kernels that compute less than this take about the same time in any arithmetic */
const SMALL_MS = 0.1

interface Measured {
  prepared: Prepared
  artifact: { path: string; model: Model }
  verification: Verification
  /** the same model by dynamic quantization, null where it quantizes nothing */
  dynamic: () => Promise<Model | null>
}

/** `slower_than_float`, where the target is the processor that runs this. */
export async function slowerThanFloat(run: Run, measured: Measured): Promise<Warning[]> {
  const { prepared, artifact, verification } = measured
  const { latency_ms: latency, feeds } = verification
  const isHere = isTimedHere(run.target)
  if (!isHere || !latency || latency.speedup >= NOTICEABLY_SLOWER) return []
  const found = `on this machine one run takes ${ms(latency.quantized.p50)}, the float model ${ms(latency.float.p50)}`
  if (!feeds || prepared.large) return [{ code: 'slower_than_float', detail: found }]
  const { floatPath, model } = prepared
  const times = await layerTimes({ runtime: run.runtime, floatPath, ...artifact, graph: model.graph, feeds })
  const detail = [found, whereTo(times), await whatElse(run, measured, feeds)].join('. ')
  return [{ code: 'slower_than_float', detail }]
}

const ms = (milliseconds: number): string => `${milliseconds.toFixed(3)} ms`

function whereTo({ layers, float, quantized, conversions }: ModelTimes): string {
  const share = `Conversions between numbers and integers take ${((100 * conversions) / quantized).toFixed(0)} % of its time in kernels`
  if (float < SMALL_MS)
    return `${share}; all kernels of the float model take ${ms(float)}, which leaves integers little to win`
  const lost = layers.filter((layer) => lossOf(layer) > 0).toSorted((a, b) => lossOf(b) - lossOf(a))
  if (lost.length === 0) return share
  const named = lost
    .slice(0, MOST_NAMED)
    .map(
      (layer) =>
        `"${layer.node.name}" (${layer.node.opType}: ${ms(layer.quantized ?? 0)} in integers, ${ms(layer.float ?? 0)} in float)`,
    )
  return `${share}; the layers that lose most are ${named.join(', ')}`
}

const lossOf = ({ float, quantized }: LayerTime): number =>
  float === undefined || quantized === undefined ? 0 : quantized - float

/** What a method that needs no data gives, measured; for dynamic quantization itself, what was not tried. */
async function whatElse(
  run: Run,
  { prepared, artifact, dynamic }: Measured,
  feeds: NonNullable<Verification['feeds']>,
): Promise<string> {
  if (factsOf(run.spec.recipe.method).rangesAtRunTime)
    return 'The method static, which takes calibration data, has integer kernels for more operators and reads no ranges at run time; it was not tried'
  const other = await dynamic()
  if (!other) return 'The method dynamic has nothing to quantize here, so that the float model is the fastest'
  const paths = [prepared.floatPath, artifact.path, run.workspace.save('dynamic.onnx', other)]
  const { runtime, host } = run
  const times = await timesSideBySide(paths, { runtime, now: host.now, feeds, share: 1 / 2 })
  const [float, own, tried] = times as [number, number, number]
  if (tried >= Math.min(float, own))
    return `The method dynamic takes ${ms(tried)}: ${own < float ? 'nothing that was tried is faster' : 'the float model is the fastest here, and integers are for the size alone'}`
  return `The method dynamic takes ${ms(tried)}, ${tried < float ? 'which is less than float' : 'which is less, but more than float'}`
}
