/** The main job, as a user would do it: start the service, upload a real model and data, quantize, look at the proof. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createJob, download, follow, upload, uploadFile } from './client.ts'
import { renderLines } from './lines.ts'
import { MODEL, SPEC } from './recogniser.ts'
import { startService } from './service.ts'
import { progressLine, table } from './show.ts'

const OUT = join('data', 'demo')
const CALIBRATION = { lines: 64, seed: 1 }
const EVALUATION = { lines: 200, seed: 2 }

console.log('Starting Fewbit …')
const service = await startService(join(OUT, 'service'))
try {
  await run(service.url)
} catch (error) {
  console.error(`\nThe demo failed: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await service.stop()
}

async function run(url: string): Promise<void> {
  console.log(`Fewbit is listening on ${url}`)
  console.log('Uploading the PP-OCRv4 text recogniser and rendered text lines …')
  const spec = JSON.stringify(SPEC)
  const data = async (lines: number, seed: number, name: string) =>
    upload(`${url}/v1/datasets`, new Blob([new Uint8Array(renderLines(lines, seed))]), name, { spec })
  const model_id = await uploadFile(`${url}/v1/models`, MODEL)
  const calibration = { dataset_id: await data(CALIBRATION.lines, CALIBRATION.seed, 'calibration.npz') }
  const dataset_id = await data(EVALUATION.lines, EVALUATION.seed, 'evaluation.npz')
  const job = await createJob(url, {
    model_id,
    target: 'cpu-int8',
    method: { type: 'static' },
    calibration,
    evaluation: { dataset_id, metric: 'cer' },
  })
  console.log(`Quantizing for cpu-int8 as ${job.id}`)
  const { status, metrics, artifacts, warnings, error, sandbox } = await follow(url, job.id, progressLine())
  if (status !== 'succeeded' || !metrics)
    throw new Error([error?.detail ?? status, error?.hint].filter(Boolean).join(' — '))
  console.log(`\n${table(metrics)}\n`)
  for (const { code, detail } of warnings) console.log(`  note (${code}): ${detail}`)
  await mkdir(OUT, { recursive: true })
  for (const { id, name } of artifacts) await writeFile(join(OUT, name), await download(url, id))
  console.log(`  confined by   ${sandbox}`)
  console.log(`  artifact      ${join(OUT, 'model.onnx')}`)
  console.log(`  full report   ${join(OUT, 'report.json')}, ${join(OUT, 'plan.json')}`)
}
