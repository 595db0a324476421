/** What a training asks of the request and its data. */

import type { QatMethod } from '../../contract/recipe.ts'
import type { DatasetRecord } from '../../datasets/dataset.ts'
import type { JobRequest } from '../record/job.ts'
import type { Subject, Violation } from './violation.ts'

export function dataToTrainOn({ request, calibration, training: dataset }: Subject): Violation[] {
  const { method, training } = request
  if (method.type !== 'qat') {
    const detail = `the method ${method.type} does not train; only qat does`
    const stray: Violation[] = training ? [{ pointer: '/training', code: 'invalid_request', detail }] : []
    return [...stray, ...dataToRefineOn(request)]
  }
  if (!training && !request.calibration) {
    const detail = 'quantization-aware training needs a data set to train on; labels are not necessary'
    return [{ pointer: '/training/dataset_id', code: 'dataset_required', detail }]
  }
  // Calibration data train where the job names nothing else.
  const labelled = training ? dataset : calibration
  return [...(training ? lengthOfTraining(training) : []), ...labelsOfLoss(method, labelled)]
}

function dataToRefineOn({ method, calibration }: JobRequest): Violation[] {
  if (method.type !== 'static' || method.refine === false) return []
  if (!calibration) {
    const detail = 'blocks are reconstructed on calibration data; labels are not necessary'
    return [{ pointer: '/calibration/dataset_id', code: 'dataset_required', detail }]
  }
  const { steps, epochs } = method.refine === true ? {} : method.refine
  if (steps === undefined || epochs === undefined) return []
  return [{ pointer: '/method/refine/steps', code: 'invalid_request', detail: 'either epochs or steps, not both' }]
}

function lengthOfTraining({ steps, epochs }: NonNullable<JobRequest['training']>): Violation[] {
  if (steps === undefined || epochs === undefined) return []
  return [{ pointer: '/training/steps', code: 'invalid_request', detail: 'either epochs or steps, not both' }]
}

function labelsOfLoss({ loss }: QatMethod, dataset: DatasetRecord | null): Violation[] {
  if (!dataset || loss === 'auto' || loss === 'distillation') return []
  const axes = dataset.labels?.shape.slice(1).filter((dim) => dim !== 1)
  if (axes?.length === 0) return []
  const detail = `the loss ${loss} needs one class per sample in the labels of the training data`
  return [{ pointer: '/method/loss', code: 'dataset_labels_invalid', detail }]
}
