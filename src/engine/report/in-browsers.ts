/** Warnings about what an artifact does on the runtimes of browsers. */
import type { BrowserRun, Metrics, Warning } from '../../contract/report.ts'
import { RUNTIME_TITLES } from '../verify/browser/stage.ts'

/** a machine measures its own speed no closer than this */
const NOTICEABLY_SLOWER = 0.95
/** dB by which fidelity there may fall behind that on this CPU */
const MUCH_WORSE_DB = 3
const MOST_NAMED = 8

export const inBrowsers = ({ runtimes, fidelity }: Pick<Metrics, 'runtimes' | 'fidelity'>): Warning[] =>
  runtimes.flatMap((run) =>
    run.verified
      ? [...slower(run), ...onCpu(run), ...worse(run, fidelity?.sqnr_db ?? null)]
      : [
          {
            code: `not_verified_on_${run.runtime}`,
            detail: `not verified on ${RUNTIME_TITLES[run.runtime]}: ${run.reason}`,
          },
        ],
  )

function slower({ runtime, latency_ms: latency }: BrowserRun): Warning[] {
  if (!latency || latency.speedup >= NOTICEABLY_SLOWER) return []
  const [float, quantized] = [latency.float.p50.toFixed(3), latency.quantized.p50.toFixed(3)]
  const detail = `on ${RUNTIME_TITLES[runtime]} one run takes ${quantized} ms, the float model ${float} ms: use it for its size, or the float model for its speed`
  return [{ code: 'slower_than_float', detail }]
}

function onCpu({ runtime, cpu_nodes: nodes, crossings }: BrowserRun): Warning[] {
  if (nodes.length === 0) return []
  const named = nodes.slice(0, MOST_NAMED).map(({ node, op_type }) => `"${node}" (${op_type})`)
  const more = nodes.length > MOST_NAMED ? ` and ${nodes.length - MOST_NAMED} more` : ''
  const detail = `under ${RUNTIME_TITLES[runtime]} ${nodes.length} nodes run on the CPU, and one run copies ${crossings} tensors between both: ${named.join(', ')}${more}`
  return [{ code: 'runs_on_cpu', detail }]
}

function worse({ runtime, sqnr_db: there, sqnr_db_to_cpu: apart }: BrowserRun, here: number | null): Warning[] {
  if (there === null || here === null || there >= here - MUCH_WORSE_DB) return []
  const detail = `on ${RUNTIME_TITLES[runtime]} the outputs keep ${there.toFixed(1)} dB, on this CPU ${here.toFixed(1)} dB; both are ${apart?.toFixed(1) ?? '?'} dB apart`
  return [{ code: 'worse_in_browsers', detail }]
}
