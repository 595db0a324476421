/** Real models through the HTTP API: what they lose and win as integers. */
import { readFileSync } from 'node:fs'
import { createJob, ended, type Job, upload } from '../lib/client.ts'
import { dataOf, type Subject, specOf, subjectOf } from '../lib/subjects.ts'

type Method = 'static' | 'dynamic'

const ROWS: readonly (readonly [name: string, method: Method])[] = [
  ['squeezenet-imagenet', 'static'],
  ['mobilenetv2-cifar10', 'static'],
  ['bert-tiny-sst2', 'static'],
  ['bert-tiny-sst2', 'dynamic'],
  ['kws-dscnn', 'static'],
]

export interface ModelResult {
  name: string
  method: Method
  job: Job
  seconds: number
}

const blobOf = (path: string): Blob => new Blob([new Uint8Array(readFileSync(path))])

/** The request of a job on one of the models, its data uploaded. */
async function requestFor(url: string, subject: Subject, method: Method): Promise<object> {
  const spec = JSON.stringify(specOf(subject))
  const dataset = async (part: string) =>
    upload(`${url}/v1/datasets`, blobOf(await dataOf(subject, part)), `${part}.npz`, { spec })
  return {
    model_id: await upload(`${url}/v1/models`, blobOf(subject.model), 'model.onnx'),
    target: 'cpu-int8',
    method: { type: method },
    ...(method === 'static' && { calibration: { dataset_id: await dataset('calibration') } }),
    evaluation: { dataset_id: await dataset('evaluation'), metric: 'top1' },
  }
}

/** A job that computes for a while. */
export const slowRequest = (url: string): Promise<object> => requestFor(url, subjectOf('squeezenet-imagenet'), 'static')

export async function benchModels(url: string): Promise<ModelResult[]> {
  const results: ModelResult[] = []
  for (const [name, method] of ROWS) {
    const request = await requestFor(url, subjectOf(name), method)
    const started = performance.now()
    const job = await ended(url, (await createJob(url, request)).id)
    const seconds = (performance.now() - started) / 1000
    console.log(`${name} ${method}: ${job.status} after ${seconds.toFixed(1)} s`)
    results.push({ name, method, job, seconds })
  }
  return results
}
