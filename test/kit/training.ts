/** Trainings as the runner starts them, and a look at the student in the middle of one. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PlanDocument, Report } from '../../src/contract/report.ts'
import { type RunnerMessage, RunnerSpec } from '../../src/contract/runner-protocol.ts'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { view } from '../../src/engine/ir/tensor.ts'
import { decodeModel } from '../../src/engine/onnx/index.ts'
import { quantizeSpec } from '../../src/engine/spec.ts'

export interface TrainingJob {
  model: Uint8Array
  training: Buffer | null
  recipe?: Record<string, unknown>
  spec?: Record<string, unknown>
  /** where an earlier attempt left its state; a fresh directory otherwise */
  directory?: string
  now?: () => number
  onMessage?: (message: RunnerMessage, directory: string) => void
}

export interface TrainingOutcome {
  report: Report
  plan: PlanDocument
  bytes: Buffer
  /** of every QuantizeLinear in the artifact */
  scales: number[]
  messages: RunnerMessage[]
}

export const trainingDirectory = (): string => mkdtempSync(join(tmpdir(), 'fewbit-training-'))

/** Trains for cpu-int8 unless `recipe` says otherwise. Throws what the engine or `onMessage` throws. */
export async function runTraining(job: TrainingJob): Promise<TrainingOutcome> {
  const directory = job.directory ?? trainingDirectory()
  mkdirSync(join(directory, 'out'), { recursive: true })
  try {
    writeFileSync(join(directory, 'model.onnx'), job.model)
    if (job.training) writeFileSync(join(directory, 'training.npz'), job.training)
    const spec = RunnerSpec.parse({
      recipe: { target: 'cpu-int8', method: { type: 'qat' }, ...job.recipe },
      model: 'model.onnx',
      ...(job.training && { training: { path: 'training.npz', spec: { arrays: {} } } }),
      output: 'out',
      threads: 1,
      ...job.spec,
    })
    const messages: RunnerMessage[] = []
    const emit = (message: RunnerMessage) => {
      messages.push(message)
      job.onMessage?.(message, directory)
    }
    const stop = () => existsSync(join(directory, 'stop'))
    await quantizeSpec(spec, { directory, emit, stop, ...(job.now && { now: job.now }) })
    const read = (name: string) => JSON.parse(readFileSync(join(directory, 'out', name), 'utf8')) as unknown
    const [report, plan] = [Report.parse(read('report.json')), read('plan.json') as PlanDocument]
    const { nodes } = decodeModel(join(directory, 'out', 'model.onnx')).model.graph
    const scales = [...nodes].flatMap(({ opType, inputs }) =>
      opType === 'QuantizeLinear' ? [view(inputs[1]!.tensor!, 'float32')[0]!] : [],
    )
    return { report, plan, scales, bytes: readFileSync(join(directory, 'out', 'model.onnx')), messages }
  } finally {
    if (!job.directory) rmSync(directory, { recursive: true })
  }
}

/** Images of classes that differ in where they are bright, with labels in random order. */
export function brightSpots(samples: number, shape: readonly number[], classes: number, seed = 3): Buffer {
  const random = randomSource(seed)
  const size = shape.reduce((a, b) => a * b, 1)
  const data = new Float32Array(samples * size)
  const labels = BigInt64Array.from({ length: samples }, () => BigInt(Math.floor(random() * classes)))
  for (let i = 0; i < samples; i++) {
    const from = (Number(labels[i]) * size) / classes
    for (let j = 0; j < size; j++)
      data[i * size + j] = random() * 2 - 1 + (j >= from && j < from + size / classes ? 0.7 : 0)
  }
  return encodeNpz({
    x: { dtype: 'float32', shape: [samples, ...shape], data },
    labels: { dtype: 'int64', shape: [samples], data: labels },
  })
}
