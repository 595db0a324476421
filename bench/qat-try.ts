/** Tries a training on one of the real models and prints how it went: `node dist/bench/qat-try.js fashion-cnn '{"method": {}, "training": {}}'`. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MODELS_ROOT } from './models.ts'
import { runJob } from './qat-job.ts'

const [name = 'fashion-cnn', text = '{}'] = process.argv.slice(2)
const { method = {}, ...recipe } = JSON.parse(text) as { method?: object }
const folder = join(MODELS_ROOT, name)
const preprocess = join(folder, 'preprocess.json')
const scale = existsSync(preprocess)
  ? (JSON.parse(readFileSync(preprocess, 'utf8')) as { scale?: number }).scale
  : undefined
const file = (part: string) => join(folder, `${part}.npz`)
const report = await runJob({
  model: join(folder, 'model.onnx'),
  recipe: { target: 'cpu-int8', method: { type: 'qat', ...method }, evaluation: { metric: 'top1' }, ...recipe },
  data: {
    calibration: file('calibration'),
    ...(existsSync(file('train')) && { training: file('train') }),
    evaluation: file('evaluation'),
  },
  spec: scale === undefined ? {} : { arrays: { input: { scale } } },
  onMessage: (message) => {
    if (message.type === 'training' && process.env.STEP) copyFileSync('step.onnx', process.env.STEP)
    if (message.type === 'training' || message.type === 'warning') console.log(JSON.stringify(message))
  },
})
const { curve, judged, ...training } = report.training ?? {}
console.log(JSON.stringify(training, null, 1))
for (const { step, loss, metric } of judged ?? []) console.log(step, loss.toFixed(5), metric)
console.log(curve?.map(({ loss }) => loss.toFixed(3)).join(' '))
console.log(JSON.stringify(report.search), JSON.stringify(report.stages))
console.log(
  JSON.stringify(report.metrics.accuracy),
  JSON.stringify(report.metrics.fidelity),
  JSON.stringify(report.metrics.target_conformance),
)
console.log(`peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`)
