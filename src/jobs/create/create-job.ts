/** Makes a job: checks the request against everything it names, resolves every default, records it. */

import { factsOf } from '../../contract/method-facts.ts'
import { defaultMetric } from '../../contract/metric.ts'
import { Recipe, type Training } from '../../contract/recipe.ts'
import type { DataPart } from '../../contract/runner-protocol.ts'
import type { DatasetRecord } from '../../datasets/dataset.ts'
import { getDataset } from '../../datasets/get-dataset.ts'
import type { Deps } from '../../deps.ts'
import { targetOf } from '../../engine/targets/index.ts'
import { getModel } from '../../models/get-model.ts'
import type { ModelRecord } from '../../models/model.ts'
import { type ErrorCode, errorRow, FewbitError } from '../../shared/errors.ts'
import { newId, timeOfId } from '../../shared/ids.ts'
import { cut } from '../../shared/some.ts'
import type { JobRecord, JobRequest, SentRequest } from '../record/job.ts'
import { loadJob } from '../record/load-job.ts'
import { insertJob } from './insert-job.ts'
import type { Subject, Violation } from './violation.ts'
import { violationsOf } from './violations.ts'

export interface DryRunResult {
  object: 'dry_run'
  valid: boolean
  options: Recipe | null
  /** the first of them */
  violations: Violation[]
  violation_count: number
}

/** how many problems of a request are told */
const MOST_VIOLATIONS = 20
const FEW = 5

const DEFAULT_SAMPLES = 128
const QUEUE_SECONDS = 86_400

interface Order {
  /** the request before defaults were filled in */
  sent?: SentRequest
  retryOf?: string
  /** of which it is a row; whoever makes it puts it on the queue */
  comparisonId?: string
}

export function createJob(deps: Deps, owner: string, request: JobRequest, how: { dryRun: true }): Promise<DryRunResult>
export function createJob(
  deps: Deps,
  owner: string,
  request: JobRequest,
  how: Order & { dryRun: false; id: string },
): Promise<JobRecord>
/** A job with another id is one that does the same work already. Throws one error that carries all violations with their pointers. */
export async function createJob(
  deps: Deps,
  owner: string,
  request: JobRequest,
  { dryRun, id, ...order }: Order & { dryRun: boolean; id?: string },
): Promise<DryRunResult | JobRecord> {
  const made = id === undefined ? null : await loadJob(deps, id)
  // of a request that came before and whose answer was lost
  if (made?.record.owner === owner) return made.record
  const subject = await resolveSubject(deps, owner, request)
  const violations = violationsOf(subject)
  if (dryRun) {
    const valid = violations.length === 0
    return {
      object: 'dry_run',
      valid,
      options: valid ? optionsOf(subject) : null,
      violations: violations.slice(0, MOST_VIOLATIONS),
      violation_count: violations.length,
    }
  }
  if (violations.length > 0 || !subject.model) throw refusal(violations)
  const record = recordOf(id ?? newId('job'), owner, subject, subject.model)
  const { sent = request, retryOf = null, comparisonId = null } = order
  const { correlation = null } = deps
  const job = { ...record, request: withoutSecret(sent), retry_of: retryOf, comparison_id: comparisonId, correlation }
  return insertJob(deps, job, { deduplicate: request.deduplicate, isQueuedLater: comparisonId !== null })
}

async function resolveSubject(deps: Deps, owner: string, request: JobRequest): Promise<Subject> {
  const [model, calibration, training, evaluation] = await Promise.all([
    orNull(getModel(deps, owner, request.model_id)),
    request.calibration ? orNull(getDataset(deps, owner, request.calibration.dataset_id)) : null,
    request.training ? orNull(getDataset(deps, owner, request.training.dataset_id)) : null,
    request.evaluation ? orNull(getDataset(deps, owner, request.evaluation.dataset_id)) : null,
  ])
  const target = targetOf(request.target)
  return { config: deps.config, request, target, model, calibration, training, evaluation }
}

function orNull<T>(found: Promise<T>): Promise<T | null> {
  return found.catch((error: unknown) => {
    if (error instanceof FewbitError && error.code === 'not_found') return null
    throw error
  })
}

/** One kind of problem keeps its own code; an id that does not exist is a bad request, not a missing resource. */
export function refusal(violations: readonly Violation[]): FewbitError {
  const codes = [...new Set(violations.map(({ code }) => code))]
  const [only] = codes
  const code: ErrorCode = codes.length === 1 && only && errorRow(only).status === 422 ? only : 'invalid_request'
  return new FewbitError(code, detailOf(violations), {
    errors: violations.slice(0, MOST_VIOLATIONS),
  })
}

function detailOf(violations: readonly Violation[]): string {
  const shown = violations.slice(0, FEW).map(({ detail }) => cut(detail, 500))
  return shown.join('; ') + (violations.length > FEW ? `; and ${violations.length - FEW} more` : '')
}

function optionsOf({ request, calibration, training, evaluation }: Subject): Recipe {
  return Recipe.parse({
    target: request.target,
    method: request.method,
    exclude: request.exclude,
    input_shapes: request.input_shapes,
    input_values: request.input_values,
    format: request.format,
    tflite: request.tflite,
    calibration: calibration
      ? {
          samples: Math.min(request.calibration?.samples ?? usualSamples(request), calibration.samples),
        }
      : undefined,
    training: request.training && training ? trainingOf(request.training, training) : undefined,
    evaluation: evaluation
      ? {
          metric: request.evaluation?.metric ?? defaultMetric(evaluation.labels),
          word_separator: request.evaluation?.word_separator,
          samples: Math.min(request.evaluation?.samples ?? evaluation.samples, evaluation.samples),
        }
      : undefined,
    goals: request.goals,
    seed: request.seed,
  })
}

/** onnxruntime.quantization calibrates with all that it is given. */
const usualSamples = ({ method }: JobRequest): number =>
  factsOf(method).samples === 'calibrates with all' ? Number.POSITIVE_INFINITY : DEFAULT_SAMPLES

function trainingOf(request: NonNullable<JobRequest['training']>, { samples }: DatasetRecord): Training {
  const { dataset_id: _, part: __, ...training } = request
  return { ...training, samples: Math.min(training.samples ?? samples, samples) }
}

function limitsOf({ method, limits }: JobRequest): JobRecord['limits'] {
  return {
    max_runtime_seconds: limits?.max_runtime_seconds ?? factsOf(method).runtimeSeconds,
    max_queue_seconds: limits?.max_queue_seconds ?? QUEUE_SECONDS,
  }
}

function recordOf(id: string, owner: string, subject: Subject, model: ModelRecord): JobRecord {
  const { request, calibration, training, evaluation } = subject
  // the same instant as in the id, by which lists are sorted and searched
  const now = timeOfId(id).toISOString()
  return {
    id,
    object: 'job',
    owner,
    status: 'queued',
    phase: null,
    progress: null,
    created_at: now,
    queued_at: now,
    started_at: null,
    finished_at: null,
    attempt: 0,
    version: 1,
    request,
    retry_of: null,
    comparison_id: null,
    priority: request.priority,
    options: optionsOf(subject),
    limits: limitsOf(request),
    metrics: null,
    artifacts: [],
    attempts_made: [],
    best_so_far: [],
    checkpoint: null,
    warnings: [],
    error: null,
    sandbox: null,
    cost: null,
    metadata: request.metadata ?? {},
    webhook_secret: request.webhook?.secret ?? null,
    correlation: null,
    inputs: {
      model: model.files,
      calibration: inputOf(calibration, request.calibration?.part),
      training: inputOf(training, request.training?.part),
      evaluation: inputOf(evaluation, request.evaluation?.part),
    },
  }
}

function withoutSecret({ webhook, ...request }: SentRequest): SentRequest {
  if (!webhook) return request
  const { secret: _, ...shown } = webhook
  return { ...request, webhook: shown }
}

function inputOf(dataset: DatasetRecord | null, part?: DataPart): JobRecord['inputs']['calibration'] {
  return dataset && { sha256: dataset.sha256, spec: dataset.spec, ...(part && { part }) }
}
