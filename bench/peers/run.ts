/** Fewbit beside onnxruntime.quantization on the same models and data: accuracy, artifact latency, time and memory of the quantization. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDataset } from '../../src/engine/data/dataset.ts'
import type { DatasetSpec } from '../../src/engine/recipe.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runner.ts'
import { batchesOf } from '../../src/engine/samples.ts'
import { argmaxPerSample } from '../../src/engine/verify/fidelity.ts'
import { imagesToNpz } from '../images.ts'
import { MODELS_ROOT } from '../models.ts'

interface Subject {
  name: string
  scales?: Record<string, number>
  images?: string
  /** samples in one calibration run */
  batch: number
}

const SUBJECTS: readonly Subject[] = [
  { name: 'squeezenet-imagenet', images: 'data_0', batch: 1 },
  { name: 'mobilenetv2-cifar10', scales: { input: 1 / 255 }, batch: 4 },
  { name: 'bert-tiny-sst2', batch: 4 },
  { name: 'kws-dscnn', batch: 4 },
  { name: 'fashion-cnn', scales: { input: 1 / 255 }, batch: 4 },
  { name: 'magika', batch: 4 },
]
const THEIRS = ['default', 'minmax', 'percentile', 'entropy'] as const
const OURS = { minmax: { observer: 'minmax', bias_correction: false }, auto: { observer: 'auto' } } as const
const THREADS = 2
const PAIRS = 60

interface Artifact {
  who: string
  path: string
  seconds: number
  peakBytes: number
}

function ours(folder: string, setting: keyof typeof OURS, calibration: string, spec: DatasetSpec): Artifact {
  const directory = mkdtempSync(join(folder, 'ours-'))
  const job = {
    recipe: {
      target: 'cpu-int8',
      method: { type: 'static', ...OURS[setting] },
      calibration: { samples: 128 },
      evaluation: { metric: 'top1' },
    },
    model: join(folder, 'model.onnx'),
    calibration: { path: calibration, spec },
    evaluation: { path: calibration, spec },
    output: 'out.onnx',
    threads: THREADS,
  }
  const script = join(import.meta.dirname, 'ours.js')
  const said = execFileSync(process.execPath, [script, JSON.stringify(job)], { cwd: directory, encoding: 'utf8' })
  return {
    who: `fewbit ${setting}`,
    path: join(directory, 'out.onnx'),
    ...(JSON.parse(said.trim().split('\n').at(-1)!) as { seconds: number; peakBytes: number }),
  }
}

function theirs(
  folder: string,
  setting: string,
  calibration: string,
  { scales = {}, batch }: Subject,
): Artifact | null {
  const path = join(folder, `theirs-${setting}.onnx`)
  const script = join(import.meta.dirname, '..', '..', '..', 'bench', 'peers', 'ort.py')
  try {
    const said = execFileSync(
      'python3',
      [script, join(folder, 'model.onnx'), calibration, path, setting, String(batch), JSON.stringify(scales)],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    return {
      who: `ort ${setting}`,
      path,
      ...(JSON.parse(said.trim().split('\n').at(-1)!) as { seconds: number; peakBytes: number }),
    }
  } catch {
    return null
  }
}

const runtime = openRuntime(THREADS)

async function accuracyOf(session: Session, evaluation: string, spec: DatasetSpec): Promise<number> {
  const dataset = await openDataset(evaluation, spec)
  const first = session.outputs.find(({ dtype }) => dtype === 'float32')!.name
  let [correct, total] = [0, 0]
  for await (const { feeds, labels, count } of batchesOf(
    { dataset, start: 0, count: dataset.samples },
    session.inputs,
    32,
  )) {
    const output = (await session.run(feeds))[first]!
    argmaxPerSample(output, count).forEach((best, i) => {
      correct += best === labels![i]![0] ? 1 : 0
    })
    total += count
  }
  return correct / total
}

/** Medians in milliseconds of single runs, all sessions in turn. */
async function latencies(sessions: readonly Session[], feeds: Record<string, RunTensor>): Promise<number[]> {
  const times = sessions.map((): number[] => [])
  for (let i = 0; i < PAIRS; i++) {
    for (const [s, session] of sessions.entries()) {
      const started = performance.now()
      await session.run(feeds)
      if (i >= 5) times[s]!.push(performance.now() - started)
    }
  }
  return times.map((own) => own.toSorted((a, b) => a - b)[Math.floor(own.length / 2)]!)
}

async function compare(subject: Subject): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-peers-'))
  const source = join(MODELS_ROOT, subject.name)
  const file = async (part: string) => {
    if (!subject.images) return join(source, `${part}.npz`)
    const path = join(folder, `${part}.npz`)
    writeFileSync(path, await imagesToNpz(join(source, `${part}.zip`), join(source, 'preprocess.json'), subject.images))
    return path
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.onnx'), readFileSync(join(source, 'model.onnx')))
  const [calibration, evaluation] = [await file('calibration'), await file('evaluation')]
  const spec: DatasetSpec = {
    arrays: Object.fromEntries(
      Object.entries(subject.scales ?? {}).map(([name, scale]) => [name, { scale, offset: 0 }]),
    ),
  }
  const made = [
    ...(['minmax', 'auto'] as const).map((setting) => ours(folder, setting, calibration, spec)),
    ...THEIRS.map((setting) => theirs(folder, setting, calibration, subject)),
  ]
  const rows: string[] = []
  const artifacts: Artifact[] = []
  const sessions: Session[] = []
  for (const artifact of [{ who: 'float', path: join(folder, 'model.onnx'), seconds: 0, peakBytes: 0 }, ...made]) {
    const session = artifact && (await runtime.load(artifact.path, { optimization: 'all' }).catch(() => null))
    if (artifact && session) {
      artifacts.push(artifact)
      sessions.push(session)
    } else if (artifact)
      rows.push(`| ${subject.name} | ${artifact.who} | does not load |  |  | ${artifact.seconds.toFixed(2)} s |  |`)
  }
  const dataset = await openDataset(evaluation, spec)
  const probe = await batchesOf({ dataset, start: 0, count: 1 }, sessions[0]!.inputs, 1).next()
  const medians = await latencies(sessions, probe.value!.feeds)
  for (const [i, { who, path, seconds, peakBytes }] of artifacts.entries()) {
    const accuracy = await accuracyOf(sessions[i]!, evaluation, spec)
    const cost = seconds > 0 ? [`${seconds.toFixed(2)} s`, `${(peakBytes / 1e6).toFixed(0)} MB`] : ['', '']
    const size = `${(readFileSync(path).length / 1e6).toFixed(2)} MB`
    rows.push(
      `| ${[subject.name, who, `${(100 * accuracy).toFixed(2)} %`, `${medians[i]!.toFixed(3)} ms`, size, ...cost].join(' | ')} |`,
    )
  }
  for (const session of sessions) await session.release()
  rmSync(folder, { recursive: true })
  return rows
}

if (!existsSync(MODELS_ROOT)) console.log('The shared models are not here.')
else {
  const rows: string[] = []
  for (const subject of SUBJECTS) {
    const found = await compare(subject)
    console.log(found.join('\n'))
    rows.push(...found)
  }
  const text = [
    '# Fewbit beside onnxruntime.quantization 1.30',
    '',
    'Made by `node dist/bench/peers/run.js` (needs Python with onnxruntime and onnx). The same calibration samples (at most 128), two threads,',
    'QDQ. Latencies are medians of single runs of all artifacts in turn. Time and memory are those of a process that only quantizes;',
    '`auto` tries observers and bias correction on held-out samples, `minmax` does what their `minmax` does.',
    '',
    '| model | artifact | top-1 | latency | size | time | peak memory |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
  writeFileSync(join('bench', 'peers', 'RESULTS.md'), text)
}
