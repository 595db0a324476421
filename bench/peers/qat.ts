/** A training step under quantization, ours beside PyTorch's (FX graph mode): same models, same batch, two threads, in turns. Writes bench/results/PEERS-QAT.md. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { runJob } from '../lib/job.ts'
import { writeResult } from '../lib/results.ts'

const MODELS = ['mobilenet_v2', 'resnet18'] as const
const [BATCH, SIZE, CLASSES, SAMPLES] = [16, 96, 10, 48]
const THREADS = 2
const ROUNDS = Number(process.env.ROUNDS ?? 15)
const STEPS = 2
/** the arithmetic of PyTorch's default (ranges follow the data), and ours (scales are learned) */
const OURS = { followed: { learn_scales: false }, learned: { learn_scales: true } } as const

interface Racer {
  times: number[]
  ask(line: string): Promise<string>
  end(): void
}

async function race(command: string, args: readonly string[]): Promise<Racer> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${command} ${args[0]} ended`)
    return value
  }
  while ((await next()) !== 'ready');
  return {
    times: [],
    ask: (line) => {
      child.stdin.write(`${line}\n`)
      return next()
    },
    end: () => child.kill(),
  }
}

/** Random images: what is in them does not change how long a step takes. */
function randomImages(path: string): void {
  const data = Float32Array.from({ length: SAMPLES * 3 * SIZE * SIZE }, () => 2 * Math.random() - 1)
  const labels = BigInt64Array.from({ length: SAMPLES }, (_, i) => BigInt(i % CLASSES))
  writeFileSync(
    path,
    encodeNpz({
      x: { dtype: 'float32', shape: [SAMPLES, 3, SIZE, SIZE], data },
      labels: { dtype: 'int64', shape: [SAMPLES], data: labels },
    }),
  )
}

/** Runs a job for one step and keeps the graph that it trained with. */
async function stepOf(model: string, data: string, setting: object, path: string): Promise<void> {
  await runJob({
    model,
    recipe: {
      target: 'cpu-int8',
      method: { type: 'qat', observer: 'minmax', loss: 'cross_entropy', optimizer: 'sgd', ...setting },
      training: { steps: 1, batch_size: BATCH },
    },
    data: { calibration: data, training: data },
    threads: THREADS,
    onMessage: ({ type }, directory) => {
      if (type === 'training') copyFileSync(join(directory, 'step.onnx'), path)
    },
  })
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

async function compare(name: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-qat-'))
  const [model, data] = [join(folder, 'model.onnx'), join(folder, 'data.npz')]
  randomImages(data)
  const script = join(import.meta.dirname, '..', '..', '..', 'bench', 'peers', 'qat.py')
  const racers = new Map([['PyTorch FX', await race('python3', [script, name, model])]])
  for (const [setting, options] of Object.entries(OURS)) {
    const path = join(folder, `${setting}.onnx`)
    await stepOf(model, data, options, path)
    const args = [join(import.meta.dirname, 'qat-step.js'), path, String(THREADS)]
    racers.set(`fewbit, scales ${setting}`, await race(process.execPath, args))
  }
  for (const racer of racers.values()) await racer.ask('2')
  for (let round = 0; round < ROUNDS; round++) {
    for (const racer of racers.values()) racer.times.push(...(JSON.parse(await racer.ask(String(STEPS))) as number[]))
  }
  const theirs = median(racers.get('PyTorch FX')!.times)
  const rows: string[] = []
  for (const [who, racer] of racers) {
    const ms = median(racer.times)
    const megabytes = Math.round(Number(await racer.ask('memory')) / 1e6)
    rows.push(`| ${name} | ${who} | ${ms.toFixed(0)} | ${(ms / theirs).toFixed(2)} | ${megabytes} |`)
    console.log(rows.at(-1))
    racer.end()
  }
  rmSync(folder, { recursive: true })
  return rows
}

const rows: string[] = []
for (const name of MODELS) rows.push(...(await compare(name)))
writeResult(
  'PEERS-QAT.md',
  `# A step of quantization-aware training

\`npm run -s build && node dist/bench/peers/qat.js\` (needs Python with torch and torchvision). Models of torchvision with ${CLASSES} classes, batch ${BATCH}, images of
${SIZE} × ${SIZE}, cross-entropy, SGD with momentum, ${THREADS} threads each, in turns: medians of ${ROUNDS * STEPS} steps. PyTorch: \`prepare_qat_fx\` with the
configuration "x86", that is per-channel weights and ranges that follow the data, batch normalization in training mode; ours folds it. Memory is the peak of the process.

| model | who | ms | ÷ PyTorch | peak MB |
|---|---|---|---|---|
${rows.join('\n')}
`,
)
