/**
 * `node dist/bench/suites/fuzz/main.js [seconds] [seed]`: faulty models and data sets against the reader of uploads, the engine and the
 * service, for as long as it is told. Writes bench/results/FUZZ.md and ends with 1 when there was a fault.
 */
import { availableParallelism } from 'node:os'
import { writeResult } from '../../lib/results.ts'
import { runCases, type Tally } from './run-cases.ts'
import { runService } from './run-service.ts'

const [seconds = 60, seed = 1] = process.argv.slice(2).map(Number)
const share = (part: number) => Date.now() + part * seconds * 1000
const processes = Math.max(1, Math.min(2, availableParallelism()))

const layers: Record<string, Tally> = {
  'reader of uploads': await runCases('reader', seed, share(0.6), processes),
  'engine, with ONNX Runtime': await runCases('engine', seed, share(0.3), processes),
  'service, by HTTP': await runService(seed, share(0.1)),
}
const text = pageOf(layers)
writeResult('FUZZ.md', text)
console.log(text)
process.exitCode = Object.values(layers).some(({ faults }) => faults.length > 0) ? 1 : 0

function pageOf(tallies: Record<string, Tally>): string {
  const rows = Object.entries(tallies).map(
    ([layer, { cases, codes, faults }]) => `| ${layer} | ${cases} | ${outcomesOf(codes)} | ${faults.length} |`,
  )
  const faults = Object.entries(tallies).flatMap(([layer, tally]) =>
    tally.faults.slice(0, 20).map(({ index, what }) => `- ${layer}, case ${index}: ${what}`),
  )
  return `# Faulty models and data sets

\`node dist/bench/suites/fuzz/main.js ${seconds} ${seed}\`: ${seconds} s with seed ${seed}. Each case is a small model with one to four faults in its structure (fields, shapes,
attributes, names, wiring, weights in other files, nesting, bytes), or a data set whose archive or arrays are odd, lie or are damaged.

| layer | cases | outcomes | faults |
| --- | --- | --- | --- |
${rows.join('\n')}

A fault is a crash or a hang of the reader, an error that is none of ours, an answer that shows another file's content, a 5xx, or a process of
the service that dies. ONNX Runtime may end the engine's process: a job ends then, and the worker goes on.
${faults.length > 0 ? `\n## Faults\n\n${faults.join('\n')}\n` : ''}`
}

function outcomesOf(codes: ReadonlyMap<string, number>): string {
  return [...codes]
    .toSorted(([, a], [, b]) => b - a)
    .map(([code, times]) => `${code} ${times}`)
    .join(', ')
}
