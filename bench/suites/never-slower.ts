/** Small networks whose integers were slower than float, with the default of cpu-int8. `node dist/bench/suites/never-slower.js [pattern] [method]` writes bench/results/NEVER-SLOWER.md, or prints the rows of a pattern. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { withJob } from '../lib/job.ts'
import { writeResult } from '../lib/results.ts'
import { type Subject, ZOO } from '../lib/zoo.ts'

const SAMPLES = 48
const [pattern, method = 'static'] = process.argv.slice(2)

function numbers(shape: readonly number[]): Buffer {
  const random = randomSource(7)
  const count = shape.reduce((a, b) => a * b, SAMPLES)
  const data = Float32Array.from({ length: count }, () => 2 * random() - 1)
  return encodeNpz({ x: { dtype: 'float32', shape: [SAMPLES, ...shape], data } })
}

async function rowOf({ name, bytes, shape }: Subject): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-zoo-'))
  try {
    const [model, calibration] = ['model.onnx', 'calibration.npz'].map((file) => join(directory, file)) as [
      string,
      string,
    ]
    writeFileSync(model, bytes)
    writeFileSync(calibration, numbers(shape))
    const recipe = { target: method === 'weight_only' ? 'cpu-int4' : 'cpu-int8', method: { type: method } }
    return await withJob({ model, recipe, data: { calibration }, threads: 1 }, ({ report }) => {
      const { latency_ms: latency, size_bytes: size, fidelity, coverage } = report.metrics
      const reason = report.warnings.find(({ code }) => code === 'slower_than_float')?.detail ?? ''
      const cells = [
        name,
        latency?.float.p50.toFixed(3),
        latency?.quantized.p50.toFixed(3),
        latency?.speedup.toFixed(2),
        size.ratio.toFixed(2),
        fidelity?.sqnr_db.toFixed(1),
        coverage.macs_integer?.toFixed(2) ?? '',
        reason,
      ]
      return `| ${cells.join(' | ')} |`
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const rows: string[] = []
for (const make of ZOO) {
  const subject = make()
  if (pattern && !new RegExp(pattern).test(subject.name)) continue
  rows.push(await rowOf(subject))
  console.log(rows.at(-1))
}
const HEAD =
  '| network | float, ms | artifact, ms | times as fast | size | SQNR, dB | multiplications in integers | why it is slower |'
if (!pattern)
  writeResult(
    'NEVER-SLOWER.md',
    `# Never slower than float without having tried\n\nRandom weights, one thread, ${cpus()[0]?.model.trim()}; medians of runs in turns.\n\n${HEAD}\n|---|---|---|---|---|---|---|---|\n${rows.join('\n')}\n`,
  )
