/** The words of `fewbit submit` as the body of POST /v1/jobs, its files uploaded. */
import type { z } from 'zod'
import type { JobRequest } from '../../jobs/record/job.ts'
import type { ProgressView } from '../progress.ts'
import { type Asked, formatOf, methodOf } from '../quantize-options.ts'
import type { Access } from './settings.ts'
import { requireFile, uploadDataset, uploadModel } from './upload.ts'

type Body = z.input<typeof JobRequest>

/** Throws not_found where a file is missing, before anything is uploaded. */
export async function createJobRequest(
  access: Access,
  model: string,
  asked: Asked,
  goals: Body['goals'],
  view: ProgressView,
): Promise<Body> {
  for (const path of [model, asked.calibration, asked.training, asked.evaluation]) if (path) requireFile(path)
  const model_id = await uploadModel(access, model, view)
  const idOf = datasetIds(access, await specOf(asked, model), view)
  const { method, exclude, inputShapes, inputValues } = methodOf(asked)
  const { calibration, calibrationSamples, training, epochs, steps, evaluation, metric, maxSeconds, seed } = asked
  const judged = { metric, word_separator: asked.wordSeparator }
  return {
    model_id,
    target: asked.target,
    method: method as Body['method'],
    exclude,
    calibration: await given(calibration, async (path) => ({
      dataset_id: await idOf(path),
      samples: calibrationSamples,
    })),
    training: await given(training, async (path) => ({ dataset_id: await idOf(path), epochs, steps })),
    evaluation: await given(evaluation, async (path) => ({ dataset_id: await idOf(path), ...judged })),
    goals,
    input_shapes: inputShapes,
    input_values: inputValues,
    ...formatOf(asked),
    limits: maxSeconds === undefined ? undefined : { max_runtime_seconds: Math.ceil(maxSeconds) },
    seed,
  }
}

async function given<T>(path: string | undefined, use: (path: string) => Promise<T>): Promise<T | undefined> {
  return path === undefined ? undefined : use(path)
}

/** Labels of these metrics may be floats. */
const OF_FIGURES: readonly (string | undefined)[] = ['pearson', 'spearman', 'psnr']

async function specOf({ scale, metric, images, text }: Asked, model: string) {
  const { imageSpecFor } = await import('../../engine/data/images/input.ts')
  return {
    arrays: scale,
    text,
    ...(images && { images: imageSpecFor(images, model) }),
    ...(OF_FIGURES.includes(metric) && { labels: 'figures' }),
  }
}

/** A file that is named twice is uploaded once. */
function datasetIds(access: Access, spec: object, view: ProgressView): (path: string) => Promise<string> {
  const ids = new Map<string, Promise<string>>()
  return (path) => {
    const id = ids.get(path) ?? uploadDataset(access, path, spec, view)
    ids.set(path, id)
    return id
  }
}
