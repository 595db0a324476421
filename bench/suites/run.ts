/** `npm run bench`: measures and writes bench/results/RESULTS.md. */
import { cpus } from 'node:os'
import { writeResult } from '../lib/results.ts'
import { withService } from '../lib/service.ts'
import { benchLivez, type LivezResult } from './livez.ts'
import { benchModels, type ModelResult, slowRequest } from './models.ts'
import { benchUpload, type UploadResult } from './upload.ts'

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
const milliseconds = (ms: number): string => `${ms.toFixed(1)} ms`

function modelTable(results: readonly ModelResult[]): string[] {
  return [
    '| model | method | top-1 float | top-1 int8 | drop (95 % interval) | size ratio | p50 float | p50 int8 | speedup | SQNR | integer kernels | job |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...results.map(modelRow),
  ]
}

function modelRow({ name, method, job, seconds }: ModelResult): string {
  const { metrics } = job
  const cells = metrics
    ? [
        ...accuracyCells(metrics),
        metrics.size_bytes.ratio.toFixed(3),
        ...(metrics.latency_ms
          ? [
              `${metrics.latency_ms.float.p50.toFixed(2)} ms`,
              `${metrics.latency_ms.quantized.p50.toFixed(2)} ms`,
              `${metrics.latency_ms.speedup.toFixed(2)} ×`,
            ]
          : ['', '', '']),
        `${metrics.fidelity?.sqnr_db.toFixed(1)} dB`,
        `${metrics.coverage.integer_kernels}`,
        `${seconds.toFixed(1)} s`,
      ]
    : [job.error?.detail ?? job.status]
  return `| ${[name, method, ...cells].join(' | ')} |`
}

function accuracyCells({ accuracy }: NonNullable<ModelResult['job']['metrics']>): string[] {
  if (!accuracy) return ['', '', '']
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`
  const [low, high] = accuracy.ci95
  return [
    percent(accuracy.float),
    percent(accuracy.quantized),
    `${(100 * accuracy.drop).toFixed(2)} (${(100 * low!).toFixed(2)} … ${(100 * high!).toFixed(2)})`,
  ]
}

const uploadLines = ({ bytes, seconds, memoryBefore, memoryPeak }: UploadResult): string[] => [
  `An upload of ${megabytes(bytes)} took ${seconds.toFixed(1)} s (${(bytes / 1e6 / seconds).toFixed(0)} MB/s, hashed and synced to disk).`,
  `The API held ${megabytes(memoryBefore)} before and ${megabytes(memoryPeak)} at most.`,
]

const livezLines = ({ requests, p50, p99, max }: LivezResult): string[] => [
  `While a job computed, ${requests} requests to /livez took ${milliseconds(p50)} (p50), ${milliseconds(p99)} (p99), ${milliseconds(max)} (max).`,
]

const upload = await withService(benchUpload)
console.log(uploadLines(upload).join('\n'))
const models = await withService(({ url }) => benchModels(url))
const livez = await withService(async ({ url }) => benchLivez(url, await slowRequest(url)))
const text = [
  '# Results',
  '',
  `Made by \`npm run bench\` on ${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}.`,
  'Latencies are medians of single runs inside the job, two threads, both models in turns, on a machine that others use too: read the ratio.',
  '',
  '## Models through the HTTP API, target cpu-int8',
  '',
  ...modelTable(models),
  '',
  '## Service',
  '',
  ...uploadLines(upload),
  '',
  ...livezLines(livez),
  '',
].join('\n')
writeResult('RESULTS.md', text)
console.log(`\n${text}`)
