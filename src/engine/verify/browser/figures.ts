/** The figures of one runtime of browsers from what ran there. */
import type { BrowserRun } from '../../../contract/report.ts'
import type { Pair, Times } from '../../runtime/browser/protocol.ts'
import type { ExecutedKernel, RunTensor } from '../../runtime/runtime.ts'
import { createFidelityMeter } from '../fidelity.ts'
import { percentiles } from '../latency.ts'

type ClassAxis = (output: string) => number | null

/** Of the artifact against the float model, both there. */
export function fidelityOf(pairs: readonly Pair[], classAxis: ClassAxis) {
  const meter = createFidelityMeter(Object.keys(pairs[0]?.float ?? {}), classAxis)
  for (const { float, quantized } of pairs) meter.add(float, quantized, 1)
  const found = meter.result()
  return {
    sqnr_db: found?.sqnr_db ?? null,
    cosine: found?.cosine ?? null,
    max_abs_error: found ? Math.max(...found.outputs.map(({ max_abs_error }) => max_abs_error)) : null,
    agreement: found?.agreement ?? null,
  }
}

/** In dB, of the artifact there against `here`, what it computed on this processor. */
export function distanceTo(here: readonly Record<string, RunTensor>[], pairs: readonly Pair[]): number | null {
  const meter = createFidelityMeter(Object.keys(here[0] ?? {}))
  for (const [i, { quantized }] of pairs.entries()) {
    const own = here[i]
    if (own) meter.add(own, quantized, 1)
  }
  return meter.sqnr()
}

export function latencyOf(times: Times | null): BrowserRun['latency_ms'] {
  if (!times || times.float.length === 0) return null
  const [float, quantized] = [percentiles(times.float), percentiles(times.quantized)]
  return { float, quantized, speedup: float.p50 / quantized.p50, threads: 1, runs: times.float.length }
}

const CPU = 'CPUExecutionProvider'
const COPY = /^Memcpy/
/** element types that networks compute with; the others are sizes, indices and truth values */
const NUMBERS = ['float', 'float16', 'double', 'uint8', 'int8', 'uint16', 'int16', 'uint4', 'int4']

/** Where the nodes of a run under WebGPU were: `cpu_nodes` lists those with numbers in the order of execution. */
export function placementOf(
  kernels: readonly ExecutedKernel[] | null,
): Pick<BrowserRun, 'cpu_nodes' | 'shape_nodes' | 'crossings'> {
  if (!kernels) return { cpu_nodes: [], shape_nodes: null, crossings: null }
  const onCpu = kernels.filter(({ provider, opType }) => provider === CPU && !COPY.test(opType))
  const withNumbers = onCpu.filter(({ dtypes }) => dtypes.some((dtype) => NUMBERS.includes(dtype)))
  return {
    cpu_nodes: withNumbers.map(({ node, opType }) => ({ node, op_type: opType })),
    shape_nodes: onCpu.length - withNumbers.length,
    crossings: kernels.filter(({ opType }) => COPY.test(opType)).length,
  }
}
