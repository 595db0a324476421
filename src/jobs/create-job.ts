/** Makes a job: checks the request against everything it names, resolves every default, records it. */
import { ulid } from 'ulid'
import type { DatasetRecord } from '../datasets/dataset.ts'
import { getDataset } from '../datasets/get-dataset.ts'
import type { Deps } from '../deps.ts'
import { Recipe } from '../engine/recipe.ts'
import { targetOf } from '../engine/targets/index.ts'
import { getModel } from '../models/get-model.ts'
import type { ModelRecord } from '../models/model.ts'
import { type ErrorCode, errorRow, FewbitError } from '../shared/errors.ts'
import { countUnfinishedJobs } from './count-unfinished-jobs.ts'
import { insertJob } from './insert-job.ts'
import type { JobRecord, JobRequest } from './job.ts'
import { defaultMetric } from './metric.ts'
import { type Subject, type Violation, violationsOf } from './violations.ts'

export interface DryRunResult {
  object: 'dry_run'
  valid: boolean
  options: Recipe | null
  violations: Violation[]
}

const DEFAULT_SAMPLES = 128
const DEFAULT_LIMITS = { max_runtime_seconds: 3600, max_queue_seconds: 86_400 }

export function createJob(deps: Deps, owner: string, request: JobRequest, how: { dryRun: true }): Promise<DryRunResult>
export function createJob(deps: Deps, owner: string, request: JobRequest, how: { dryRun: false }): Promise<JobRecord>
/** Throws one error that carries all violations with their pointers. */
export async function createJob(
  deps: Deps,
  owner: string,
  request: JobRequest,
  { dryRun }: { dryRun: boolean },
): Promise<DryRunResult | JobRecord> {
  const subject = await resolveSubject(deps, owner, request)
  const violations = violationsOf(subject)
  if (dryRun) {
    const valid = violations.length === 0
    return { object: 'dry_run', valid, options: valid ? optionsOf(subject) : null, violations }
  }
  if (violations.length > 0 || !subject.model) throw refusal(violations)
  await refuseTooMany(deps, owner)
  return insertJob(deps, recordOf(owner, subject, subject.model))
}

async function refuseTooMany(deps: Deps, owner: string): Promise<void> {
  const { MAX_QUEUED_JOBS } = deps.config
  if ((await countUnfinishedJobs(deps, owner)) < MAX_QUEUED_JOBS) return
  throw new FewbitError('too_many_jobs', `at most ${MAX_QUEUED_JOBS} jobs may be unfinished`)
}

async function resolveSubject(deps: Deps, owner: string, request: JobRequest): Promise<Subject> {
  const [model, calibration, evaluation] = await Promise.all([
    orNull(getModel(deps, owner, request.model_id)),
    request.calibration ? orNull(getDataset(deps, owner, request.calibration.dataset_id)) : null,
    request.evaluation ? orNull(getDataset(deps, owner, request.evaluation.dataset_id)) : null,
  ])
  return { config: deps.config, request, target: targetOf(request.target), model, calibration, evaluation }
}

function orNull<T>(found: Promise<T>): Promise<T | null> {
  return found.catch((error: unknown) => {
    if (error instanceof FewbitError && error.code === 'not_found') return null
    throw error
  })
}

/** One kind of problem keeps its own code; an id that does not exist is a bad request, not a missing resource. */
function refusal(violations: Violation[]): FewbitError {
  const codes = [...new Set(violations.map(({ code }) => code))]
  const [only] = codes
  const code: ErrorCode = codes.length === 1 && only && errorRow(only).status === 422 ? only : 'invalid_request'
  return new FewbitError(code, violations.map(({ detail }) => detail).join('; '), { errors: violations })
}

function optionsOf({ request, calibration, evaluation }: Subject): Recipe {
  return Recipe.parse({
    target: request.target,
    method: request.method,
    exclude: request.exclude,
    input_shapes: request.input_shapes,
    calibration: calibration
      ? {
          samples: Math.min(request.calibration?.samples ?? DEFAULT_SAMPLES, calibration.samples),
        }
      : undefined,
    evaluation: evaluation
      ? {
          metric: request.evaluation?.metric ?? defaultMetric(evaluation.labels),
          samples: Math.min(request.evaluation?.samples ?? evaluation.samples, evaluation.samples),
        }
      : undefined,
    seed: request.seed,
  })
}

function recordOf(owner: string, subject: Subject, model: ModelRecord): JobRecord {
  const { request, calibration, evaluation } = subject
  const now = new Date().toISOString()
  return {
    id: `job_${ulid().toLowerCase()}`,
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
    options: optionsOf(subject),
    limits: { ...DEFAULT_LIMITS, ...request.limits },
    metrics: null,
    artifacts: [],
    warnings: [],
    error: null,
    sandbox: null,
    metadata: request.metadata ?? {},
    inputs: { model: model.files, calibration: inputOf(calibration), evaluation: inputOf(evaluation) },
  }
}

function inputOf(dataset: DatasetRecord | null): { sha256: string; spec: unknown } | null {
  return dataset && { sha256: dataset.sha256, spec: dataset.spec }
}
