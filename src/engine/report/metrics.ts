/** The figures of a finished artifact. */
import type { BrowserRun, Metrics } from '../../contract/report.ts'
import type { MethodOutput } from '../methods/method.ts'
import { runsHere, type Target } from '../targets/target.ts'
import { violationsOf } from '../verify/conformance/index.ts'
import type { Verification } from '../verify/verify.ts'

/** What was measured. */
export interface Measured {
  verification: Verification
  /** on the runtimes of browsers */
  runtimes: BrowserRun[]
  /** names of the float values of the prepared model */
  floats: ReadonlySet<string>
  /** of all files of each model */
  bytes: { float: number; quantized: number }
  /** of a .tflite that LiteRT executed */
  litert: Metrics['litert'] | null
}

export function metricsOf(
  target: Target,
  output: MethodOutput,
  { verification, runtimes, litert, floats, bytes }: Measured,
): Metrics {
  const { fidelity, accuracy, latency_ms, kernels, macs } = verification
  const violations = violationsOf(output.model, target, floats)
  return {
    size_bytes: { ...bytes, ratio: bytes.quantized / bytes.float },
    latency_ms,
    accuracy,
    fidelity,
    coverage: {
      nodes: output.plan.nodes.length,
      nodes_quantized: output.quantizedNodes,
      integer_kernels: runsHere(target) ? kernels.integer : null,
      conversions: kernels.conversions,
      macs_integer: macs ? macs.integer : output.macsInteger,
    },
    runtimes,
    ...(litert && { litert }),
    target_conformance: { ok: violations.length === 0, violations },
  }
}
