/** A 4 GB transformer quantized in a process with little memory. `node dist/bench/suites/large.js [layers]` writes bench/results/LARGE.md. */
import { fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Report } from '../../src/contract/report.ts'
import { withJob } from '../lib/job.ts'
import { writeTransformer } from '../lib/large-model.ts'
import { writeResult } from '../lib/results.ts'

const WIDTH = 2048
const VOCABULARY = 16_384
const GIB = 2 ** 30
const MEMORY = 1.5 * GIB

interface Row {
  name: string
  recipe: object
}

const ROWS: readonly Row[] = [
  {
    name: 'weight_only, 8 bits',
    recipe: { target: 'cpu-int4', method: { type: 'weight_only', bits: 8, search: false } },
  },
  {
    name: 'weight_only, 4 bits, to nearest',
    recipe: { target: 'cpu-int4', method: { type: 'weight_only', bits: 4, search: false } },
  },
  { name: 'weight_only, 4 bits, searched', recipe: { target: 'cpu-int4', method: { type: 'weight_only', bits: 4 } } },
  { name: 'dynamic, int8', recipe: { target: 'cpu-int8', method: { type: 'dynamic' } } },
]

interface Outcome {
  seconds: number
  peak: number
  report: Report
  files: Record<string, number>
}

/** in the child: one job, whose peak is that of the process */
async function job(model: string, recipe: object): Promise<void> {
  const started = performance.now()
  await withJob({ model, recipe, data: {}, memoryBytes: MEMORY }, ({ report, files }) => {
    const seconds = (performance.now() - started) / 1000
    const sizes = Object.fromEntries(files.map((file) => [basename(file), statSync(file).size]))
    const outcome: Outcome = { seconds, peak: process.resourceUsage().maxRSS * 1024, report, files: sizes }
    process.send?.(outcome)
  })
}

function outcomeOf({ recipe }: Row, source: string): Promise<Outcome> {
  const child = fork(import.meta.filename, ['job', join(source, 'model.onnx'), JSON.stringify(recipe)])
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Outcome))
    child.once('exit', (code) => reject(new Error(`the job ended with ${code}`)))
  })
}

function lineOf({ name }: Row, { seconds, peak, report, files }: Outcome): string {
  const stage = (phase: string) => report.stages.find((s) => s.name === phase)?.seconds ?? 0
  const { latency_ms, fidelity, size_bytes } = report.metrics
  const weights = Object.entries(files).filter(([file]) => file.startsWith('model.onnx'))
  return `| ${[
    name,
    `${(size_bytes.quantized / GIB).toFixed(2)} GiB in ${weights.length} file${weights.length > 1 ? 's' : ''}`,
    `${size_bytes.ratio.toFixed(3)}`,
    `${(peak / GIB).toFixed(2)} GiB`,
    `${seconds.toFixed(0)} s (${stage('quantizing').toFixed(0)} s quantizing)`,
    `${fidelity?.sqnr_db.toFixed(1)} dB`,
    latency_ms ? `${latency_ms.float.p50.toFixed(0)} → ${latency_ms.quantized.p50.toFixed(0)} ms` : '',
  ].join(' | ')} |`
}

async function main(layers: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'fewbit-large-'))
  try {
    const source = join(root, 'model')
    mkdirSync(source)
    writeTransformer(source, { layers, width: WIDTH, heads: 16, vocabulary: VOCABULARY })
    rmSync(join(source, 'weights.scratch'), { force: true })
    const bytes = statSync(join(source, 'model.onnx.data')).size
    console.log(`${(bytes / GIB).toFixed(2)} GiB of weights`)
    const lines: string[] = []
    for (const row of ROWS) {
      const line = lineOf(row, await outcomeOf(row, source))
      console.log(line)
      lines.push(line)
    }
    write(layers, bytes, lines)
  } finally {
    rmSync(root, { recursive: true })
  }
}

function write(layers: number, bytes: number, lines: readonly string[]): void {
  const text = `# A model larger than the memory of its job

A decoder-only transformer with ${layers} layers of width ${WIDTH}: ${(bytes / GIB).toFixed(2)} GiB of float32 weights beside a small graph. Each job may use ${MEMORY / GIB} GiB,
loads the weights one by one, and proves its artifact by running both models in parts. The peak is the largest resident set of the process, mapped files included.
The fidelity is that of one made-up input.

    npm run build && node dist/bench/suites/large.js

| method | artifact | of float | peak memory | time | fidelity | one run |
|---|---|---|---|---|---|---|
${lines.join('\n')}

${cpus()[0]!.model.trim()}, two threads.
`
  writeResult('LARGE.md', text)
}

const [first, model = '', recipe = '{}'] = process.argv.slice(2)
if (first === 'job') await job(model, JSON.parse(recipe) as object)
else await main(Number(first ?? 20))
