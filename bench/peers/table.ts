/** bench/peers/RESULTS.md. */
import { type Bar, barsOf, signed } from './bars.ts'
import type { Compared, Row } from './compare.ts'

export function resultsPage(all: readonly Compared[]): string {
  return [
    '# Fewbit beside onnxruntime.quantization 1.30',
    '',
    'Made by `node dist/bench/peers/run.js [model …]` (needs Python with onnxruntime and onnx). The same calibration samples, all that come with a',
    'model (28 to 200), two threads, QDQ. Latencies are medians of 100 single runs of all artifacts in turn, on one thread. Time and memory are those of a process',
    'that only quantizes. Settings of one name do the same on both sides; `default` is theirs without a word, `auto` ours: observers and bias',
    'correction are tried on held-out samples. ± is one standard error of the difference to the float model on the same samples (bootstrap).',
    '',
    ...all.flatMap(section),
    '## What was promised',
    '',
    'Differences of accuracy count beyond 1.96 standard errors, latencies beyond 5 %.',
    '',
    '| promise | model | measured | |',
    '|---|---|---|---|',
    ...barsOf(all)
      .toSorted((a, b) => a.what.localeCompare(b.what))
      .map(barLine),
    '',
  ].join('\n')
}

const barLine = ({ what, model, figure, met }: Bar): string =>
  `| ${[what, model, figure, met ? 'kept' : '**missed**'].join(' | ')} |`

const section = ({ name, metric, rows }: Compared): string[] => [
  `## ${name}`,
  '',
  `| artifact | ${metric} | against float | latency | size | time | peak memory |`,
  '|---|---|---|---|---|---|---|',
  ...rows.map(line),
  '',
]

function line(row: Row): string {
  const { side, setting, problem, score, difference = 0, error = 0, milliseconds, bytes, seconds, peakBytes } = row
  const cells = problem
    ? [problem, '', '', '']
    : [
        `${score!.toFixed(2)} %`,
        side === 'float' ? '' : `${signed(difference)} ± ${error.toFixed(2)}`,
        `${milliseconds!.toFixed(3)} ms`,
        `${(bytes! / 1e6).toFixed(2)} MB`,
      ]
  const cost = [seconds ? `${seconds.toFixed(2)} s` : '', peakBytes ? `${(peakBytes / 1e6).toFixed(0)} MB` : '']
  return `| ${[`${side} ${setting}`.trim(), ...cells, ...cost].join(' | ')} |`
}
