/** What was made, for people: a card in Markdown. */
import { VERSION } from '../../shared/version.ts'
import { bytes, digits, percent } from '../table.ts'
import { DTYPES } from './dtypes.ts'
import type { Row, Written } from './written.ts'

export function cardOf({ rows, missing, float }: Written): string {
  return [
    '# Models of fewer bits for transformers.js',
    '',
    `Made with fewbit ${VERSION}, without Python. Fidelity says how close the outputs are to those of the float model, on made-up inputs where no data was named; speed is measured side by side on one processor of this kind: times the float model, above 1 is faster.`,
    '',
    '| file | dtype | what it is | size | of float | fidelity | cosine | speed on CPU | float nodes |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(line),
    '',
    ...section(
      'Not written',
      missing.map(({ model, dtype, reason }) => `- \`${model}\`, ${dtype}: ${reason}`),
    ),
    ...section('What stayed float', rows.flatMap(keptOf)),
    ...section(
      'Warnings',
      rows.flatMap(({ file, report }) => report.warnings.map(({ detail }) => `- \`${file}\`: ${detail}`)),
    ),
    ...section(
      'SHA-256',
      [...float, ...rows].map(({ file, sha256 }) => `- \`${file}\`: ${sha256}`),
    ),
  ].join('\n')
}

function line({ file, dtype, report: { metrics } }: Row): string {
  const { size_bytes: size, fidelity, latency_ms: latency, coverage } = metrics
  const cells = [
    `\`${file}\``,
    dtype,
    DTYPES[dtype].describes,
    bytes(size.quantized),
    percent(size.ratio),
    fidelity ? `${fidelity.sqnr_db.toFixed(1)} dB` : 'not measured',
    fidelity ? fidelity.cosine.toFixed(4) : '',
    latency ? `${digits(latency.speedup)} x` : 'not measured',
    `${coverage.nodes - coverage.nodes_quantized} of ${coverage.nodes}`,
  ]
  return `| ${cells.join(' | ')} |`
}

/** of the reasons of one file, so many are named */
const MOST = 8

function keptOf({ file, plan }: Row): string[] {
  const counts = new Map<string, number>()
  for (const { quantized, op_type, reason } of plan.nodes) {
    const text = `${op_type}: ${reason}`
    if (!quantized) counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, MOST)
  return most.map(([text, count]) => `- \`${file}\`: ${count} x ${text}`)
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`## ${title}`, '', ...lines, '']
