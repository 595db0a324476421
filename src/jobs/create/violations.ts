/** What a job request asks of model, target and data, as a table of checks; all problems come out at once. */

import { factsOf } from '../../contract/method-facts.ts'
import { labelsProblem } from '../../contract/metric.ts'
import { unknownOperators } from '../../engine/ops/index.ts'
import { formatsOf } from '../../engine/targets/index.ts'
import { pointerOf } from '../../shared/pointer.ts'
import { refusalOfWebhookUrl } from '../../webhooks/check-url.ts'
import type { JobRequest } from '../record/job.ts'
import { fitProblems } from './dataset-fit.ts'
import { shapesOfTarget } from './shape-violations.ts'
import { dataToTrainOn } from './training-violations.ts'
import { valuesOfInputs } from './value-violations.ts'
import type { Subject, Violation } from './violation.ts'

type Check = (subject: Subject) => Violation[]

const CHECKS: readonly Check[] = [
  existence('/model_id', 'model', ({ model_id }) => model_id),
  existence('/calibration/dataset_id', 'calibration', ({ calibration }) => calibration?.dataset_id),
  existence('/training/dataset_id', 'training', ({ training }) => training?.dataset_id),
  existence('/evaluation/dataset_id', 'evaluation', ({ evaluation }) => evaluation?.dataset_id),
  methodOfTarget,
  formatOfTarget,
  operatorsOfTarget,
  activationsOfTarget,
  shapesOfTarget,
  valuesOfInputs,
  somethingToQuantize,
  dataToTrainOn,
  fit('calibration'),
  fit('training'),
  fit('evaluation'),
  labelsOfMetric,
  webhookAddress,
]

export const violationsOf = (subject: Subject): Violation[] => CHECKS.flatMap((check) => check(subject))

function existence(
  pointer: string,
  key: 'model' | 'calibration' | 'training' | 'evaluation',
  idIn: (request: JobRequest) => string | undefined,
): Check {
  return (subject) => {
    const id = idIn(subject.request)
    return id === undefined || subject[key] ? [] : [{ pointer, code: 'not_found', detail: `there is no ${id}` }]
  }
}

function methodOfTarget({ request, target }: Subject): Violation[] {
  const methods: readonly string[] = target.methods
  if (factsOf(request.method).climbs || methods.includes(request.method.type)) return []
  const detail = `${target.id} supports ${methods.join(', ')}`
  return [{ pointer: '/method/type', code: 'target_method_mismatch', detail }]
}

function formatOfTarget({ request: { format = 'onnx' }, target }: Subject): Violation[] {
  const formats = formatsOf(target)
  if (formats.includes(format)) return []
  return [
    {
      pointer: '/format',
      code: 'target_format_mismatch',
      detail: `${target.id} takes ${formats.join(', ')}, and no ${format}`,
    },
  ]
}

function operatorsOfTarget({ target }: Subject): Violation[] {
  if (target.kind !== 'integer') return []
  return unknownOperators(Object.keys(target.operators)).map((name) => ({
    pointer: pointerOf(['target', 'operators', name]),
    code: 'invalid_request',
    detail: `${name} is no operator that can compute in integers: names are those of ONNX, as the built-in targets write them`,
  }))
}

function activationsOfTarget({ request: { method }, target }: Subject): Violation[] {
  if (factsOf(method).activationBits === 8) return []
  if (target.kind === 'integer' && target.wide_activation) return []
  const detail = `${target.id} has no 16-bit activations`
  return [{ pointer: '/method/activation_bits', code: 'target_method_mismatch', detail }]
}

function somethingToQuantize({ model, request, target }: Subject): Violation[] {
  if (!model || target.kind !== 'integer') return []
  const excluded = request.exclude?.op_types ?? []
  const left = Object.keys(model.op_types).filter((op) => !excluded.includes(op))
  const listed = [...Object.keys(target.operators), ...(target.run_time_operators ?? [])]
  if (listed.length === 0 || left.some((op) => listed.includes(op))) return []
  const detail = `no operator is left that ${target.id} computes in integers`
  if (model.precision === 'quantized')
    return [
      {
        pointer: '/model_id',
        code: 'already_quantized',
        detail: 'the model is quantized already: give the float model',
      },
    ]
  return [{ pointer: '/model_id', code: 'nothing_to_quantize', detail }]
}

function fit(key: 'calibration' | 'training' | 'evaluation'): Check {
  return ({ model, [key]: dataset }) => {
    if (!model || !dataset) return []
    return fitProblems(model, dataset).map((detail) => ({
      pointer: `/${key}/dataset_id`,
      code: 'dataset_mismatch',
      detail,
    }))
  }
}

function labelsOfMetric({ request, evaluation }: Subject): Violation[] {
  const metric = request.evaluation?.metric
  if (!metric || !evaluation) return []
  const detail = labelsProblem(metric, evaluation.labels)
  if (detail) return [{ pointer: '/evaluation/metric', code: 'dataset_labels_invalid', detail }]
  if (metric !== 'wer' || request.evaluation?.word_separator !== undefined) return []
  const missing = 'wer needs to know which class stands between words'
  return [{ pointer: '/evaluation/word_separator', code: 'invalid_request', detail: missing }]
}

function webhookAddress({ config, request }: Subject): Violation[] {
  const detail = request.webhook ? refusalOfWebhookUrl(config, request.webhook.url) : null
  return detail ? [{ pointer: '/webhook/url', code: 'invalid_request', detail }] : []
}
