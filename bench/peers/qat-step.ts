/**
 * A step of our quantization-aware training, timed on request: `qat-step.js <step.onnx> <threads>` answers every line `N` on standard input
 * with N step times in milliseconds as JSON, and `memory` with the peak of its memory in bytes.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor, ValueInfo } from '../../src/engine/runtime/runtime.ts'

const [path, threads] = process.argv.slice(2)
const session = await openRuntime(Number(threads)).load(path!, { optimization: 'all', floatRounding: true })

/** Small numbers above zero: a scale must not be zero, and rounding must have work to do. */
function filled({ name, dtype, shape }: ValueInfo): readonly [string, RunTensor] {
  const dims = shape.map((dim) => Number(dim))
  const size = dims.reduce((a, b) => a * b, 1)
  if (dtype !== 'float32') throw new Error(`input ${name} is ${dtype}`)
  return [name, { dtype, dims, data: Float32Array.from({ length: size }, (_, i) => 0.01 + 0.02 * ((i % 89) / 89)) }]
}

const feeds = Object.fromEntries(session.inputs.map(filled))
const results = Object.fromEntries(session.outputs.map(filled))
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === 'memory') {
    console.log(1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]))
    continue
  }
  const times: number[] = []
  for (let i = 0; i < Number(line); i++) {
    const started = performance.now()
    await session.runInto(feeds, results)
    times.push(performance.now() - started)
  }
  console.log(JSON.stringify(times))
}
