/** A 4 GB transformer quantized in a process with little memory. `node dist/bench/large.js [layers]` writes bench/LARGE.md. */
import { fork } from 'node:child_process'
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Report } from '../src/contract/report.ts'
import { RunnerSpec } from '../src/contract/runner-protocol.ts'
import { quantizeSpec } from '../src/engine/spec.ts'
import { writeTransformer } from './large-model.ts'

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

/** in the child: one job in the current directory */
async function job(recipe: object): Promise<void> {
  const spec = RunnerSpec.parse({ recipe, model: 'model.onnx', output: 'out', threads: 2, memory_bytes: MEMORY })
  const started = performance.now()
  await quantizeSpec(spec, { emit: () => {}, directory: '.' })
  process.send!({ seconds: (performance.now() - started) / 1000, peak: process.resourceUsage().maxRSS * 1024 })
}

async function outcomeOf({ recipe }: Row, source: string): Promise<Outcome> {
  const directory = mkdtempSync(join(dirname(source), 'job-'))
  try {
    copyFileSync(join(source, 'model.onnx'), join(directory, 'model.onnx'))
    linkSync(join(source, 'model.onnx.data'), join(directory, 'model.onnx.data'))
    mkdirSync(join(directory, 'out'))
    const child = fork(import.meta.filename, ['job', JSON.stringify(recipe)], { cwd: directory })
    const measured = await new Promise<{ seconds: number; peak: number }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { seconds: number; peak: number }))
      child.once('exit', (code) => reject(new Error(`the job ended with ${code}`)))
    })
    const out = join(directory, 'out')
    const files = Object.fromEntries(readdirSync(out).map((name) => [name, statSync(join(out, name)).size]))
    return { ...measured, files, report: Report.parse(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))) }
  } finally {
    rmSync(directory, { recursive: true })
  }
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

    npm run build && node dist/bench/large.js

| method | artifact | of float | peak memory | time | fidelity | one run |
|---|---|---|---|---|---|---|
${lines.join('\n')}

${cpus()[0]!.model.trim()}, two threads.
`
  writeFileSync(join(import.meta.dirname, '../../bench/LARGE.md'), text)
}

if (process.argv[2] === 'job') await job(JSON.parse(process.argv[3]!) as object)
else await main(Number(process.argv[2] ?? 20))
