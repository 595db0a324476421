/** A comparison for people: the table, what failed, and the verdict on each target. */
import { relative } from 'node:path'
import type { Comparison, ComparisonRow, Quality } from '../contract/comparison.ts'
import { styled } from './style.ts'
import { bytes, digits, percent, table } from './table.ts'

const HEAD = ['target', 'method', 'quality', 'against float (95 %)', 'size', 'speed', 'seconds', 'memory', '']

export function comparisonText(comparison: Comparison, output: string): string {
  const { rows, quality, verdicts } = comparison
  const bold = (text: string) => styled(process.stdout, 'bold', text)
  return [
    table([HEAD, ...rows.map((row) => cellsOf(row, quality))]),
    ...rows.flatMap(failureOf),
    ...verdicts.flatMap(({ target, verdict, text }) => ['', bold(`${target}: ${verdict}`), text]),
    '',
    `${styled(process.stdout, 'green', 'written:')} ${relative('.', output)}`,
  ].join('\n')
}

const NOTHING = '-'

function cellsOf(row: ComparisonRow, quality: Quality): string[] {
  const { target, name, status, size_bytes: size, size_ratio, latency_ms: latency, cost } = row
  if (status !== 'succeeded') return [target, name, status]
  return [
    target,
    name,
    qualityOf(row),
    testOf(row, quality),
    size === null ? NOTHING : `${bytes(size)} (${percent(size_ratio ?? 1)})`,
    latency === null ? NOTHING : `${latency.speedup.toFixed(2)} x${latency.on_target ? '' : ' (not on its hardware)'}`,
    cost ? digits(cost.seconds) : NOTHING,
    cost?.peak_memory_bytes ? bytes(cost.peak_memory_bytes) : NOTHING,
    marksOf(row),
  ]
}

function qualityOf({ accuracy, fidelity }: ComparisonRow): string {
  if (accuracy) return `${accuracy.metric} ${digits(accuracy.value, 4)}`
  if (!fidelity) return NOTHING
  return fidelity.agreement === null ? `${fidelity.sqnr_db.toFixed(1)} dB` : `${percent(fidelity.agreement)} same class`
}

/** In points, or decibels. */
function testOf({ tests: { float: test } }: ComparisonRow, quality: Quality): string {
  if (!test) return NOTHING
  const factor = quality === 'sqnr_db' ? 1 : 100
  const show = (figure: number) => (factor * figure).toFixed(1)
  return test.ci95 ? `${show(test.gain)} (${test.ci95.map(show).join(' to ')})` : show(test.gain)
}

function marksOf({ pareto, meets_goals }: ComparisonRow): string {
  const goals = { true: ['meets the goals'], false: ['misses a goal'], null: [] }[String(meets_goals)] ?? []
  return [...(pareto ? ['on the front'] : []), ...goals].join(', ')
}

const failureOf = ({ target, name, error }: ComparisonRow): string[] =>
  error ? [`${styled(process.stdout, 'red', 'failed:')} ${target} ${name}: ${error.detail}`] : []
