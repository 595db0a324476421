/** A finished quantization in a few lines. */
import { relative } from 'node:path'
import type { Rung } from '../contract/auto.ts'
import type { Metrics, Report, Warning } from '../contract/report.ts'
import type { Made } from './apart.ts'
import { styled } from './style.ts'
import { bytes, digits, percent, table } from './table.ts'

export function summary({ report, files }: Made, missed: readonly Warning[], stream: NodeJS.WriteStream): string {
  const warnings = report.warnings.map(({ detail }) => `${styled(stream, 'yellow', 'warning:')} ${detail}`)
  const goals = missed.map(({ detail }) => `${styled(stream, 'red', 'missed:')} ${detail}`)
  const written = files.map((path) => `  ${relative('.', path)}`)
  return [
    styled(stream, 'bold', `${report.target}, ${report.method}`),
    ...ladder(report, stream),
    table(rowsOf(report)),
    ...warnings,
    ...goals,
    styled(stream, 'green', 'written:'),
    ...written,
  ].join('\n')
}

/** What the method auto climbed. */
function ladder({ auto }: Report, stream: NodeJS.WriteStream): string[] {
  if (!auto) return []
  const rows = auto.rungs.map((rung, i) => [i === auto.taken ? '→' : ' ', ...rungCells(rung)])
  return [styled(stream, auto.met ? 'green' : 'yellow', auto.text), table(rows), '']
}

/** Name and figures of a rung, or why it has none. */
export function rungCells({ name, accuracy, fidelity, latency_ms, size_ratio, cost, error }: Rung): string[] {
  if (error) return [name, error.detail]
  const quality = accuracy
    ? `${accuracy.metric} drop ${digits(accuracy.drop)}`
    : `${fidelity?.sqnr_db.toFixed(1) ?? '?'} dB`
  const speed = latency_ms ? [`${latency_ms.speedup.toFixed(2)} x`] : []
  return [name, quality, ...speed, `${percent(size_ratio ?? 1)} of the size`, `${Math.round(cost?.seconds ?? 0)} s`]
}

const rowsOf = ({ metrics }: Report): string[][] =>
  [sizeRow, accuracyRow, fidelityRow, executedRow, speedRow, browserRows, coverageRow, targetRow].flatMap((row) =>
    row(metrics),
  )

const sizeRow = ({ size_bytes: { float, quantized, ratio } }: Metrics): string[][] => [
  ['size', `${bytes(float)} → ${bytes(quantized)} (${percent(ratio)})`],
]

function accuracyRow({ accuracy }: Metrics): string[][] {
  if (!accuracy) return []
  const { metric, float, quantized, drop, ci95, samples } = accuracy
  const interval = ci95.map((end) => digits(end)).join(' to ')
  return [
    [
      'accuracy',
      `${metric} ${digits(float, 4)} → ${digits(quantized, 4)}, drop ${digits(drop)} (${interval}), ${samples} samples`,
    ],
  ]
}

function fidelityRow({ fidelity }: Metrics): string[][] {
  if (!fidelity) return [['fidelity', 'not measured']]
  const { sqnr_db, cosine, agreement, samples, measured_on } = fidelity
  const same = agreement === null ? [] : [`${percent(agreement)} same class`]
  const figures = [`${sqnr_db.toFixed(1)} dB`, `cosine ${cosine.toFixed(4)}`, ...same]
  return [['fidelity', `${figures.join(', ')}, ${samples} ${measured_on.replace('_', ' ')} samples`]]
}

function executedRow({ litert }: Metrics): string[][] {
  if (!litert) return []
  const { equal, most_steps } = litert.simulation
  const apart = most_steps ? `, at most ${most_steps} steps apart` : ''
  return [['executed', `by LiteRT ${litert.version}: ${percent(equal)} of the outputs as in ONNX Runtime${apart}`]]
}

function speedRow({ latency_ms: latency }: Metrics): string[][] {
  if (!latency) return []
  const { float, quantized, speedup, threads } = latency
  const times = `${digits(float.p50)} → ${digits(quantized.p50)} ms`
  return [['speed', `${speedup.toFixed(2)} x (${times}, ${threads} ${threads === 1 ? 'thread' : 'threads'})`]]
}

function browserRows({ runtimes }: Metrics): string[][] {
  return runtimes.map(({ runtime, verified, sqnr_db, latency_ms: latency, cpu_nodes }) => {
    if (!verified) return [runtime, 'not verified']
    const speed = latency === null ? 'not timed' : `${latency.speedup.toFixed(2)} x`
    const cpu = runtime === 'wasm' ? [] : [`${cpu_nodes.length} nodes on the CPU`]
    return [runtime, [`${sqnr_db?.toFixed(1) ?? '?'} dB`, speed, ...cpu].join(', ')]
  })
}

function coverageRow({ coverage: { nodes, nodes_quantized, macs_integer } }: Metrics): string[][] {
  const macs = macs_integer === null ? '' : `, ${percent(macs_integer)} of the multiplications in integers`
  return [['quantized', `${nodes_quantized} of ${nodes} nodes${macs}`]]
}

function targetRow({ target_conformance: { ok, violations } }: Metrics): string[][] {
  return [['target', ok ? 'every rule is kept' : `${violations.length} rules are broken, see report.json`]]
}
