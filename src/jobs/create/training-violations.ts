/** What a training asks of the request and its data. */

import { factsOf } from '../../contract/method-facts.ts'
import type { Method, MethodName, QatMethod, StaticMethod } from '../../contract/recipe.ts'
import type { DatasetRecord } from '../../datasets/dataset.ts'
import type { JobRequest } from '../record/job.ts'
import type { Subject, Violation } from './violation.ts'

type MethodOf<Name extends MethodName> = Extract<Method, { type: Name }>

/** What each method that trains asks for. */
const CHECKS: { [Name in MethodName]?: (method: MethodOf<Name>, subject: Subject) => Violation[] } = {
  static: (method, { request }) => dataToRefineOn(method, request),
  qat: dataOfTraining,
}

export function dataToTrainOn(subject: Subject): Violation[] {
  const { method, training } = subject.request
  const check = CHECKS[method.type] as ((method: Method, subject: Subject) => Violation[]) | undefined
  const { samples, climbs } = factsOf(method)
  const stray = training && samples !== 'trains' && !climbs
  return [...(stray ? [strayTraining(method.type)] : []), ...(check?.(method, subject) ?? [])]
}

const strayTraining = (method: MethodName): Violation => ({
  pointer: '/training',
  code: 'invalid_request',
  detail: `the method ${method} does not train; only qat does`,
})

function dataOfTraining(method: QatMethod, { request, calibration, training: dataset }: Subject): Violation[] {
  const { training } = request
  if (!training && !request.calibration) {
    const detail = 'quantization-aware training needs a data set to train on; labels are not necessary'
    return [{ pointer: '/training/dataset_id', code: 'dataset_required', detail }]
  }
  // Calibration data train where the job names nothing else.
  const labelled = training ? dataset : calibration
  return [...(training ? lengthOfTraining(training) : []), ...labelsOfLoss(method, labelled)]
}

function dataToRefineOn(method: StaticMethod, { calibration }: JobRequest): Violation[] {
  if (method.refine === false) return []
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
