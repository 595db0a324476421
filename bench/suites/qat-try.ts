/** Tries a training on one of the real models and prints how it went: `node dist/bench/suites/qat-try.js fashion-cnn '{"method": {}, "training": {}}'`. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { runJob } from '../lib/job.ts'
import { dataOf, hasPart, specOf, subjectOf } from '../lib/subjects.ts'

const [name = 'fashion-cnn', text = '{}'] = process.argv.slice(2)
const { method = {}, ...recipe } = JSON.parse(text) as { method?: object }
const subject = subjectOf(name)
const report = await runJob({
  model: subject.model,
  recipe: { target: 'cpu-int8', method: { type: 'qat', ...method }, evaluation: { metric: 'top1' }, ...recipe },
  data: {
    calibration: await dataOf(subject, 'calibration'),
    ...(hasPart(subject, 'train') && { training: await dataOf(subject, 'train') }),
    evaluation: await dataOf(subject, 'evaluation'),
  },
  spec: specOf(subject),
  onMessage: (message, directory) => {
    if (message.type === 'training' && process.env.STEP) copyFileSync(join(directory, 'step.onnx'), process.env.STEP)
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
