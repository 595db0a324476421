/** What the demo prints: a progress line while the job runs, a table when it has ended. */
import type { Metrics } from '../../src/contract/report.ts'
import type { Progress } from './client.ts'

const BAR = 30

/** One line that changes on a terminal, one line per phase elsewhere. */
export function progressLine(): (progress: Progress) => void {
  let phase = ''
  return ({ phase: now, fraction, message }) => {
    if (process.stdout.isTTY) {
      const done = Math.round(fraction * BAR)
      const bar = '█'.repeat(done) + '░'.repeat(BAR - done)
      process.stdout.write(`\r\x1b[K  ${bar} ${String(Math.round(100 * fraction)).padStart(3)} %  ${message}`)
      if (fraction === 1) process.stdout.write('\n')
    } else if (now !== phase) console.log(`  ${String(Math.round(100 * fraction)).padStart(3)} %  ${message}`)
    phase = now
  }
}

type Row = readonly [what: string, float: string, quantized: string, change: string]

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`
const milliseconds = (ms: number): string => `${ms.toFixed(2)} ms`
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

function rowsOf({ size_bytes, latency_ms, accuracy, fidelity, coverage }: Metrics): Row[] {
  return [
    ['', 'float', 'int8', ''],
    [
      'size',
      megabytes(size_bytes.float),
      megabytes(size_bytes.quantized),
      `${(1 / size_bytes.ratio).toFixed(2)} × smaller`,
    ],
    ...(latency_ms
      ? ([
          [
            'latency, median',
            milliseconds(latency_ms.float.p50),
            milliseconds(latency_ms.quantized.p50),
            `${latency_ms.speedup.toFixed(2)} × faster`,
          ],
          [
            'latency, 95 %',
            milliseconds(latency_ms.float.p95),
            milliseconds(latency_ms.quantized.p95),
            `${latency_ms.runs} runs each, ${latency_ms.threads} threads`,
          ],
        ] as const)
      : []),
    ...(accuracy
      ? ([
          [
            'character errors',
            percent(accuracy.float),
            percent(accuracy.quantized),
            `${accuracy.samples} lines, 95 % interval of the loss ${accuracy.ci95.map(percent).join(' … ')}`,
          ],
        ] as const)
      : []),
    ...(fidelity
      ? ([
          ['output SQNR', '', `${fidelity.sqnr_db.toFixed(1)} dB`, 'signal to quantization noise, worst output'],
          ['output cosine', '', fidelity.cosine.toFixed(5), ''],
          ...agreementRow(fidelity.agreement),
        ] as const)
      : []),
    [
      'integer kernels',
      '',
      String(coverage.integer_kernels ?? 0),
      `${coverage.nodes_quantized} of ${coverage.nodes} nodes quantized`,
    ],
  ]
}

const agreementRow = (share: number | null): Row[] =>
  share === null ? [] : [['agreement', '', percent(share), 'samples with the same largest output']]

/** The table of a finished job. */
export function table(metrics: Metrics): string {
  const rows = rowsOf(metrics)
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = ([what, float, quantized, change]: Row) =>
    `  ${what.padEnd(widths[0]!)}  ${float.padStart(widths[1]!)}  ${quantized.padStart(widths[2]!)}  ${change}`.trimEnd()
  return rows.map(line).join('\n')
}
