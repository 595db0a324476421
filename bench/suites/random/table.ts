/** What became of random graphs, as Markdown. */
import type { Tried } from './try.ts'

/** what nobody should ever be told about a model */
const UNCLEAR = ['crashed', 'internal', 'quantization_failed']
/** dB by which the peer may be ahead before it counts: other roundings */
const BEHIND_DB = 1
/** artifacts as close as this need no comparison */
const CLOSE_DB = 40

const hasBoth = (row: Tried): row is Tried & { ours: number; theirs: number } =>
  row.ours !== null && row.theirs !== null
const isBehind = (row: Tried & { ours: number; theirs: number }): boolean =>
  row.ours < Math.min(row.theirs - BEHIND_DB, CLOSE_DB)
/** A file that does not load, or an error without words. */
const isWrong = ({ refused }: Tried): boolean => refused !== undefined && UNCLEAR.includes(refused.code)

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

export function renderRandom(rows: readonly Tried[]): string {
  const groups = [...groupBy(rows, ({ request }) => request || 'unknown')].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const compared = rows.filter(hasBoth)
  const behind = compared.filter(isBehind)
  const wrong = rows.filter(isWrong)
  const seeds = rows.map(({ seed }) => seed)
  return `# Random graphs

\`PYTHON=… node dist/bench/suites/random/main.js 600 1\` writes this page. ${rows.length} graphs, seeds ${Math.min(...seeds)} to ${Math.max(...seeds)}, of convolutions, pools,
norms, attention, recurrent layers, products and activations in operator sets 11 to 20; every artifact is judged on all 48 samples of its graph, against the float model. The peer is
onnxruntime.quantization with its preparation, per-channel weights and uint8 activations. It calibrates
on all 48 samples; a job of ours keeps a fifth of them to verify with, which costs where their extremes lie outside.

| target, method | graphs | artifacts | refused in words | wrong | rules broken, with a warning | median dB | worst dB | compared | ahead | as good | behind |
|---|---|---|---|---|---|---|---|---|---|---|---|
${groups.map(([request, some]) => line(request, some)).join('\n')}

${compared.length} artifacts have one of the peer's beside them; ${behind.length} follow their float model less closely by more than ${BEHIND_DB} dB (below ${CLOSE_DB} dB).

${section('Wrong', wrong, ({ refused }) => refused?.words ?? '')}
${section('Behind the peer', behind, ({ ours, theirs }) => `${ours?.toFixed(1)} dB, the peer ${theirs?.toFixed(1)} dB`)}
${refusals(rows)}`
}

function line(request: string, rows: readonly Tried[]): string {
  const scores = rows.flatMap(({ ours }) => (ours === null ? [] : [ours])).toSorted((a, b) => a - b)
  const compared = rows.filter(hasBoth)
  const behind = compared.filter(isBehind).length
  const ahead = compared.filter(({ ours, theirs }) => ours > theirs + BEHIND_DB).length
  const refused = rows.filter((row) => row.refused && !isWrong(row)).length
  const db = (x: number | undefined) => x?.toFixed(1) ?? ''
  const cells = [
    rows.length,
    scores.length,
    refused,
    rows.filter(isWrong).length,
    rows.filter(({ violations = 0 }) => violations > 0).length,
    db(scores[scores.length >> 1]),
    db(scores[0]),
  ]
  return `| ${[request, ...cells, compared.length, ahead, compared.length - ahead - behind, behind].join(' | ')} |`
}

const MOST_LISTED = 40

function section(title: string, rows: readonly Tried[], say: (row: Tried) => string): string {
  if (rows.length === 0) return `## ${title}\n\nNone.\n`
  const listed = rows
    .slice(0, MOST_LISTED)
    .map((row) => `| ${row.seed} | ${row.request} | ${row.blocks} | ${say(row).replaceAll('|', '/').slice(0, 200)} |`)
  return `## ${title}\n\n| seed | target, method | blocks | |\n|---|---|---|---|\n${listed.join('\n')}\n`
}

function refusals(rows: readonly Tried[]): string {
  const refused = rows.flatMap(({ refused: found }) => (found && !UNCLEAR.includes(found.code) ? [found.code] : []))
  const counts = [...groupBy(refused, (code) => code)].map(([code, some]) => `- \`${code}\`: ${some.length}`)
  return `## Refused in words\n\n${counts.join('\n') || 'None.'}\n`
}
