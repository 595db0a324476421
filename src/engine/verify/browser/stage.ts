/** Part of the stage `verify`: float model and artifact on the runtimes of browsers that a target names. */
import { basename } from 'node:path'
import type { BrowserRun } from '../../../contract/report.ts'
import type { BrowserRuntime } from '../../../contract/target-profile.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { Split } from '../../data/split.ts'
import { decodeModel } from '../../onnx/index.ts'
import type { Prepared } from '../../prepare/index.ts'
import type { Run } from '../../run.ts'
import { type BrowserOutcome, runApart } from '../../runtime/browser/run-apart.ts'
import { type Gpu, gpusToTry } from '../../runtime/browser/vulkan.ts'
import { feedsFor } from '../../runtime/feeds.ts'
import { translateMessage } from '../../runtime/messages.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { browsersOf } from '../../targets/target.ts'
import { classAxis } from '../class-axis.ts'
import { meaningOn } from '../meaning.ts'
import type { Verification } from '../verify.ts'
import { type BrowserFeeds, browserFeeds } from './feeds.ts'
import { distanceTo, fidelityOf, latencyOf, placementOf } from './figures.ts'

export const RUNTIME_TITLES: Record<BrowserRuntime, string> = { wasm: 'WebAssembly', webgpu: 'WebGPU' }

const LIMIT_MS = 120_000
/** of the float model: a page has 4 GiB of WebAssembly memory, and two models with their files must fit */
const MOST_BYTES = 2 ** 30

const WASM: Gpu = { device: 'WebAssembly with SIMD on this CPU, one thread', isHardware: true, environment: {} }

interface Material extends BrowserFeeds {
  float: string
  quantized: string
  /** outputs of the artifact on this processor */
  here: Record<string, RunTensor>[]
  classAxis: (output: string) => number | null
}

/** Throws verification_failed where the artifact does not run on the first runtime of its target, and the float model does. */
export async function verifyInBrowsers(
  run: Run,
  prepared: Prepared,
  split: Split,
  artifact: { path: string; bytes: number },
  verification: Verification,
): Promise<BrowserRun[]> {
  const names = browsersOf(run.target)
  if (names.length === 0) return []
  if (prepared.floatBytes > MOST_BYTES || prepared.large) return names.map((name) => notRun(name, TOO_LARGE))
  const found = await browserFeeds(prepared, split, verification)
  if (found.feeds.length === 0) return names.map((name) => notRun(name, 'no inputs were found on which the model runs'))
  const axisOf = (output: string) => classAxis(prepared.model.graph.outputs.find(({ name }) => name === output))
  const material: Material = {
    ...found,
    float: alone(run, prepared.floatPath),
    quantized: alone(run, artifact.path),
    here: await outputsHere(run, artifact.path, found),
    classAxis: axisOf,
  }
  const runs: BrowserRun[] = []
  for (const name of names) runs.push(await verifyOn(run, name, material))
  return runs
}

const TOO_LARGE = 'the model is too large for the memory of a page, beside its float model'

/** Weights in one file with their model, as far as protobuf allows. */
const alone = ({ workspace }: Run, path: string): string =>
  workspace.pack(`browser-${basename(path)}`, decodeModel(path).model)

async function outputsHere({ runtime, target }: Run, path: string, { feeds }: BrowserFeeds) {
  const session = await runtime.load(path, meaningOn(target))
  const outputs: Record<string, RunTensor>[] = []
  for (const one of feeds) outputs.push(await session.run(feedsFor(session, one)))
  await session.release()
  return outputs
}

async function verifyOn(run: Run, name: BrowserRuntime, material: Material): Promise<BrowserRun> {
  const devices = name === 'wasm' ? [WASM] : gpusToTry(run.workspace.path('vulkan'))
  for (const gpu of devices) {
    const outcome = await runOn(gpu, name, material)
    if (NO_DEVICE.test(outcome.failure?.message ?? '')) continue
    requireOwn(run, name, outcome)
    return figuresOf(name, gpu, outcome, material)
  }
  return notRun(name, 'no driver for Vulkan was found that it takes')
}

const NO_DEVICE = /WebGPU adapter|supported adapters/i

/** of a software renderer, which takes seconds for what a GPU does in milliseconds */
const MOST_RENDERED = 4

function runOn(
  { isHardware, environment }: Gpu,
  runtime: BrowserRuntime,
  { float, quantized, feeds }: Material,
): Promise<BrowserOutcome> {
  const some = isHardware ? feeds : feeds.slice(0, MOST_RENDERED)
  return runApart({ runtime, float, quantized, feeds: some, timed: isHardware }, { environment, limitMs: LIMIT_MS })
}

/** What its own runtime does not run is no artifact for a target. */
function requireOwn({ target }: Run, name: BrowserRuntime, { failure }: BrowserOutcome): void {
  if (failure?.model !== 'quantized' || browsersOf(target)[0] !== name) return
  throw new FewbitError(
    'verification_failed',
    `The quantized model does not ${failure.verb} on ${RUNTIME_TITLES[name]}: ${reasonOf(failure)}`,
    { stage: 'verify', hint: 'let the node that is named stay float (exclude.nodes), or choose another method' },
  )
}

const reasonOf = ({ model, message }: NonNullable<BrowserOutcome['failure']>): string =>
  model === null ? message : translateMessage(message).detail

const NOTHING = {
  samples: 0,
  sqnr_db: null,
  cosine: null,
  max_abs_error: null,
  agreement: null,
  sqnr_db_to_cpu: null,
  latency_ms: null,
  cpu_nodes: [],
  shape_nodes: null,
  crossings: null,
}

const notRun = (
  runtime: BrowserRuntime,
  reason: string,
  device = 'none',
  version: string | null = null,
): BrowserRun => ({
  runtime,
  verified: false,
  reason,
  device,
  version,
  ...NOTHING,
})

function figuresOf(
  runtime: BrowserRuntime,
  { device, isHardware }: Gpu,
  { failure, version, pairs, times, kernels }: BrowserOutcome,
  { here, classAxis: axisOf }: Material,
): BrowserRun {
  if (failure) {
    const which = failure.model === 'quantized' ? 'the quantized model' : 'the float model'
    const where = failure.model === null ? '' : `${which} does not ${failure.verb} there: `
    return notRun(runtime, where + reasonOf(failure), device, version)
  }
  return {
    runtime,
    verified: true,
    reason: null,
    device,
    version,
    samples: pairs.length,
    ...fidelityOf(pairs, axisOf),
    sqnr_db_to_cpu: distanceTo(here, pairs),
    latency_ms: isHardware ? latencyOf(times) : null,
    ...placementOf(kernels),
  }
}
