/** One random graph through one method for one target: what became of it, and how closely it follows its float model on all of its data. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TargetName } from '../../../src/contract/recipe.ts'
import { openDataset } from '../../../src/engine/data/dataset.ts'
import { batchesOf } from '../../../src/engine/data/samples.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { FewbitError, quantize } from '../../../src/engine/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { LoadOptions } from '../../../src/engine/runtime/runtime.ts'
import { TARGETS } from '../../../src/engine/targets/index.ts'
import { createFidelityMeter } from '../../../src/engine/verify/fidelity.ts'
import { meaningOn } from '../../../src/engine/verify/meaning.ts'
import { type RandomGraph, randomGraph } from './graph.ts'
import type { Peer } from './peer.ts'

type MethodOptions = { type: 'static' | 'dynamic' | 'weight_only' | 'float16' } & Record<string, unknown>

interface Request {
  target: TargetName
  method: MethodOptions
  /** what the peer does in its place, where it can */
  peer?: 'static' | 'dynamic'
}

const STATIC: MethodOptions = { type: 'static' }
const PLAIN: MethodOptions = { type: 'static', observer: 'minmax', bias_correction: false }

/** Each as often as it stands here. */
const REQUESTS: readonly Request[] = [
  { target: 'cpu-int8', method: STATIC, peer: 'static' },
  { target: 'cpu-int8', method: STATIC, peer: 'static' },
  { target: 'cpu-int8', method: PLAIN, peer: 'static' },
  { target: 'cpu-int8', method: { type: 'dynamic' }, peer: 'dynamic' },
  { target: 'cpu-int8', method: { type: 'dynamic' }, peer: 'dynamic' },
  { target: 'cpu-int8', method: { type: 'static', compat: 'onnxruntime', observer: 'minmax' } },
  { target: 'cpu-int4', method: { type: 'weight_only' } },
  { target: 'cpu-int4', method: { type: 'weight_only', bits: 8, format: 'qdq' } },
  { target: 'gpu-float16', method: { type: 'float16' } },
  { target: 'gpu-tensorrt-int8', method: PLAIN },
  { target: 'npu-qnn-htp', method: PLAIN },
  { target: 'npu-qnn-htp', method: { ...PLAIN, activation_bits: 16 } },
  { target: 'npu-openvino', method: PLAIN },
  { target: 'npu-vitis-ai', method: PLAIN },
  { target: 'npu-ethos-u', method: PLAIN },
  { target: 'edge-npu', method: PLAIN },
]

export interface Tried {
  seed: number
  opset: number
  blocks: string
  request: string
  /** of the artifact, in dB; null where there is none */
  ours: number | null
  /** the peer's; null where it has none or was not asked */
  theirs: number | null
  /** why there is no artifact */
  refused?: { code: string; words: string }
  /** what the job itself said of its artifact */
  reported?: number
  violations?: number
  warned?: boolean
  seconds: number
}

/** Never throws for what the graph does to us: other errors than refusals are in the row with the code `crashed`. */
export async function tryGraph(seed: number, peer: Peer | null): Promise<Tried> {
  const graph = randomGraph(seed)
  const request = REQUESTS[Math.floor(randomSource(seed + 4711)() * REQUESTS.length)]!
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-random-'))
  const started = performance.now()
  try {
    const files = { model: join(directory, 'model.onnx'), data: join(directory, 'data.npz') }
    writeFileSync(files.model, graph.bytes)
    writeFileSync(files.data, graph.data)
    const row = await ours(graph, request, files, directory)
    const theirs = peer && request.peer ? await theirsOf(peer, request, files, directory) : null
    return { ...row, theirs, seconds: (performance.now() - started) / 1000 }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

interface Files {
  model: string
  data: string
}

async function ours({ seed, opset, blocks }: RandomGraph, request: Request, files: Files, directory: string) {
  const { target, method } = request
  const common = {
    seed,
    opset,
    blocks: blocks.join(' '),
    request: `${target} ${Object.values(method).join(' ')}`,
  }
  try {
    const options = { target, method, calibration: files.data, threads: 1, output: join(directory, 'out') }
    const { artifact, report } = await quantize(
      files.model,
      options as Parameters<typeof quantize>[1] & { output: string },
    )
    const { fidelity, target_conformance } = report.metrics
    return {
      ...common,
      ours: await sqnrOf(files, artifact, meaningOn(TARGETS[target])),
      reported: fidelity?.sqnr_db ?? Number.NaN,
      violations: target_conformance.violations.length,
      warned: report.warnings.some(({ code }) => code === 'low_fidelity'),
    }
  } catch (error) {
    const refused =
      error instanceof FewbitError
        ? { code: error.code, words: `${error.detail} ${error.hint ?? ''}` }
        : { code: 'crashed', words: String(error) }
    return { ...common, ours: null, refused }
  }
}

async function theirsOf(peer: Peer, { peer: method, target }: Request, { model, data }: Files, directory: string) {
  const artifact = join(directory, 'theirs.onnx')
  const problem = await peer.quantize({ model, data, target: artifact, method: method! })
  if (problem) return null
  return sqnrOf({ model, data }, artifact, meaningOn(TARGETS[target])).catch(() => null)
}

/** Of the worst output over all samples, each in a run of its own, in dB. */
async function sqnrOf({ model, data }: Files, artifact: string, meaning: LoadOptions): Promise<number> {
  const runtime = openRuntime(1)
  const dataset = await openDataset(data, { arrays: {} })
  const [float, quantized] = [await runtime.load(model, { optimization: 'all' }), await runtime.load(artifact, meaning)]
  try {
    const meter = createFidelityMeter(float.outputs.map(({ name }) => name))
    for await (const { feeds } of batchesOf({ dataset, start: 0, count: dataset.samples }, float.inputs, 1))
      meter.add(await float.run(feeds), await quantized.run(feeds), 1)
    return meter.sqnr() ?? Number.NaN
  } finally {
    await Promise.all([float.release(), quantized.release()])
    dataset.close()
  }
}
