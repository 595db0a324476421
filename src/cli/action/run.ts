/** The GitHub Action: quantize, judge against limits, tell on the page of the run. */
import { appendFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { Report } from '../../contract/report.ts'
import { FewbitError, isErrorCode } from '../../shared/errors.ts'
import { EXIT } from '../failure.ts'
import { bytes, percent } from '../table.ts'
import { runVerb } from '../verb.ts'
import { readInputs } from './inputs.ts'
import { type Finding, judge } from './judge.ts'

/** Returns the exit code. Throws what `fewbit quantize` says. */
export async function runAction(): Promise<number> {
  const { args, limits } = readInputs(process.env)
  const onProgress = (line: string) => console.error(line)
  const { found } = await runVerb({ args, directory: '.', signal: new AbortController().signal, onProgress })
  if ('error' in found) throw errorOf(found.error as Record<string, string>)
  const report = Report.parse(found.report)
  const [first = ''] = found.files as string[]
  const findings = judge(report.metrics, limits)
  for (const { level, text } of findings) console.log(`::${level} title=Fewbit::${escaped(text)}`)
  const hasPassed = findings.every(({ level }) => level !== 'error')
  write('GITHUB_STEP_SUMMARY', page(report, findings))
  write('GITHUB_OUTPUT', outputs(report, relative('.', dirname(first)), hasPassed))
  return hasPassed ? EXIT.done : EXIT.failed
}

const errorOf = ({ code = '', detail = '', hint }: Record<string, string>): FewbitError =>
  new FewbitError(isErrorCode(code) ? code : 'internal', detail, { hint })

/** as commands of a workflow want it */
const escaped = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')

function write(variable: 'GITHUB_STEP_SUMMARY' | 'GITHUB_OUTPUT', text: string): void {
  const file = process.env[variable]
  if (file) appendFileSync(file, text)
  else console.log(text)
}

const MARKS = { error: '❌', warning: '⚠️', notice: '✅' }

function page({ target, method, metrics, warnings }: Report, findings: readonly Finding[]): string {
  const rows = rowsOf(metrics).map(([name, value]) => `| ${name} | ${value} |`)
  const said = findings.map(({ level, text }) => `- ${MARKS[level]} ${cell(text)}`)
  const warned = warnings.map(({ detail }) => `- ⚠️ ${cell(detail)}`)
  return [
    `### Fewbit: ${cell(target)}, ${cell(method)}`,
    '',
    '| | |',
    '| --- | --- |',
    ...rows,
    '',
    ...said,
    ...warned,
    '',
  ].join('\n')
}

/** names of a model's nodes must not become markup */
const cell = (text: string): string => text.replace(/[\\`*_{}[\]<>|#]/g, '\\$&').replace(/\s+/g, ' ')

function rowsOf({ size_bytes, accuracy, fidelity, latency_ms }: Report['metrics']): [string, string][] {
  const rows: [string, string][] = [
    ['size', `${bytes(size_bytes.float)} → ${bytes(size_bytes.quantized)} (${percent(size_bytes.ratio)})`],
  ]
  if (accuracy)
    rows.push([
      accuracy.metric,
      `${accuracy.float.toFixed(4)} → ${accuracy.quantized.toFixed(4)}, ${accuracy.samples} samples`,
    ])
  if (fidelity) rows.push(['fidelity', `${fidelity.sqnr_db.toFixed(1)} dB`])
  if (latency_ms) rows.push(['speed', `${latency_ms.speedup.toFixed(2)} × float`])
  return rows
}

function outputs({ metrics }: Report, directory: string, hasPassed: boolean): string {
  const { size_bytes, accuracy, fidelity, latency_ms } = metrics
  const values = {
    directory,
    passed: hasPassed,
    'size-ratio': size_bytes.ratio,
    'accuracy-drop': accuracy?.drop ?? '',
    'sqnr-db': fidelity?.sqnr_db ?? '',
    speedup: latency_ms?.speedup ?? '',
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${String(value).replace(/[\r\n]/g, ' ')}\n`)
    .join('')
}
