/** Real models through the HTTP API: what they lose and win as integers. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createJob, follow, upload, uploadFile } from '../examples/demo/client.ts'
import type { Job } from '../examples/demo/job.ts'
import { imagesToNpz } from './images.ts'

export const MODELS_ROOT = join(process.cwd(), '..', 'shared', 'models')

interface Subject {
  name: string
  method: 'static' | 'dynamic'
  /** how stored integers become floats */
  spec?: object
  /** the model's input, when the data are images in a .zip */
  images?: string
}

const SUBJECTS: readonly Subject[] = [
  { name: 'squeezenet-imagenet', method: 'static', images: 'data_0' },
  { name: 'mobilenetv2-cifar10', method: 'static', spec: { arrays: { input: { scale: 1 / 255 } } } },
  { name: 'bert-tiny-sst2', method: 'static' },
  { name: 'bert-tiny-sst2', method: 'dynamic' },
  { name: 'kws-dscnn', method: 'static' },
]

export interface ModelResult {
  subject: Subject
  job: Job
  seconds: number
}

export const modelsAreHere = (): boolean => existsSync(MODELS_ROOT)

/** The request of a job on one of the models, its data uploaded. */
export async function requestFor(url: string, { name, method, spec, images }: Subject): Promise<object> {
  const folder = join(MODELS_ROOT, name)
  const dataset = async (part: string) => {
    const bytes = images
      ? await imagesToNpz(join(folder, `${part}.zip`), join(folder, 'preprocess.json'), images)
      : readFileSync(join(folder, `${part}.npz`))
    return upload(
      `${url}/v1/datasets`,
      new Blob([new Uint8Array(bytes)]),
      `${part}.npz`,
      spec ? { spec: JSON.stringify(spec) } : {},
    )
  }
  return {
    model_id: await uploadFile(`${url}/v1/models`, join(folder, 'model.onnx')),
    target: 'cpu-int8',
    method: { type: method },
    ...(method === 'static' && { calibration: { dataset_id: await dataset('calibration') } }),
    evaluation: { dataset_id: await dataset('evaluation'), metric: 'top1' },
  }
}

export async function benchModels(url: string): Promise<ModelResult[]> {
  const results: ModelResult[] = []
  for (const subject of SUBJECTS) {
    const request = await requestFor(url, subject)
    const started = performance.now()
    const job = await follow(url, (await createJob(url, request)).id, () => {})
    const seconds = (performance.now() - started) / 1000
    console.log(`${subject.name} ${subject.method}: ${job.status} after ${seconds.toFixed(1)} s`)
    results.push({ subject, job, seconds })
  }
  return results
}

export const SLOW_SUBJECT = SUBJECTS[0]!
