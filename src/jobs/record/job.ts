/** The job record: the request, its state machine and what became of it. The record is the truth, the queue is transport. */
import { z } from 'zod'
import { Rung } from '../../contract/auto.ts'
import { Goals } from '../../contract/goals.ts'
import {
  Exclude,
  Format,
  InputShapes,
  InputValues,
  METRIC_NAMES,
  Method,
  Recipe,
  Target,
  TfliteOptions,
  Training,
  WordSeparator,
} from '../../contract/recipe.ts'
import { Metrics, Warning } from '../../contract/report.ts'
import { DataPart } from '../../contract/runner-protocol.ts'
import { ERROR_CODES } from '../../shared/errors.ts'
import { JOB_WEBHOOK_EVENTS } from '../../webhooks/events.ts'
import { GivenSecret } from '../../webhooks/webhook-secret.ts'

export const JOB_STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]
export const TERMINAL_STATUSES: readonly JobStatus[] = ['succeeded', 'failed', 'canceled', 'expired']
export const isTerminal = (status: JobStatus): boolean => TERMINAL_STATUSES.includes(status)

const Metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((entries) => Object.keys(entries).length <= 16, 'at most 16 entries')

const part = DataPart.optional().describe(
  'half of the data set, at most 2000 samples (held_out), or the rest of it (others): the same ones for the same seed, so that one data set both calibrates or trains, and judges',
)

export const PRIORITIES = ['high', 'normal', 'low'] as const

export const JobRequest = z.strictObject({
  model_id: z.string(),
  target: Target,
  method: Method.default({ type: 'auto', train: true }),
  calibration: z
    .strictObject({
      dataset_id: z.string(),
      part,
      samples: z
        .number()
        .int()
        .positive()
        .max(100_000)
        .optional()
        .describe('at most so many, drawn over the whole data set; by default 128, and all of them with compat'),
    })
    .optional(),
  training: Training.extend({ dataset_id: z.string(), part }).optional().describe('for the method qat'),
  evaluation: z
    .strictObject({
      dataset_id: z.string(),
      part,
      metric: z.enum(METRIC_NAMES).optional(),
      word_separator: WordSeparator.optional(),
      samples: z
        .number()
        .int()
        .positive()
        .optional()
        .describe('so many, drawn over the whole data set; all of them by default'),
    })
    .optional(),
  goals: Goals.optional().describe('what the method auto climbs for; with any method, one that is missed is a warning'),
  exclude: Exclude.optional(),
  input_shapes: InputShapes.optional(),
  input_values: InputValues.optional(),
  format: Format.optional(),
  tflite: TfliteOptions.optional(),
  limits: z
    .strictObject({
      max_runtime_seconds: z
        .number()
        .int()
        .positive()
        .max(604_800)
        .optional()
        .describe('3600 by default, 21600 for the method qat'),
      max_queue_seconds: z.number().int().positive().max(604_800).default(86_400),
    })
    .optional(),
  seed: z.number().int().nonnegative().optional(),
  webhook: z
    .strictObject({
      url: z.url().max(2048),
      events: z.array(z.enum(JOB_WEBHOOK_EVENTS)).min(1).optional(),
      secret: GivenSecret.optional().describe(
        'whsec_… of your own, with which this job’s webhooks are signed; it is not shown again. By default that of GET /v1/webhook-secret',
      ),
    })
    .optional(),
  priority: z
    .enum(PRIORITIES)
    .default('normal')
    .describe('before which other waiting jobs it is taken; within a priority the oldest is first'),
  deduplicate: z
    .boolean()
    .default(false)
    .describe(
      'answer 200 with the unfinished job that does the same work, where there is one: the same bytes, options, goals, limits and webhook',
    ),
  metadata: Metadata.optional(),
})
export type JobRequest = z.infer<typeof JobRequest>

/** As a client sends it, without what is filled in for it. */
export type SentRequest = z.input<typeof JobRequest>
const isRequest = (value: unknown): boolean => JobRequest.safeParse(value).success
const Sent = z
  .unknown()
  .refine(isRequest, 'not a request')
  .meta({ $ref: '#/components/schemas/JobRequestInput' }) as unknown as z.ZodType<SentRequest>

export const JobError = z.object({
  code: z.enum(ERROR_CODES),
  stage: z.string().nullable(),
  detail: z.string(),
  param: z.string().nullable(),
  retryable: z.boolean(),
  hint: z.string().nullable(),
})
export type JobError = z.infer<typeof JobError>

const time = z.iso.datetime()

export const ArtifactSummary = z.object({
  id: z.string(),
  object: z.literal('artifact'),
  job_id: z.string(),
  name: z.string(),
  content_type: z.string(),
  size_bytes: z.number().int(),
  sha256: z.string(),
  created_at: time,
})
export type ArtifactSummary = z.infer<typeof ArtifactSummary>

export const Progress = z.object({
  fraction: z.number().min(0).max(1),
  step: z.number().int(),
  total_steps: z.number().int(),
  message: z.string(),
  training: z
    .object({
      epoch: z.number(),
      loss: z.number(),
      learning_rate: z.number(),
      samples_per_second: z.number(),
      seconds_left: z.number(),
    })
    .optional()
    .describe('of a training, while it runs'),
})

export type Progress = z.infer<typeof Progress>

export const Checkpoint = z.object({
  object: z.literal('checkpoint'),
  job_id: z.string(),
  /** attempt that wrote it */
  attempt: z.number().int(),
  step: z.number().int().describe('updates that were done'),
  size_bytes: z.number().int(),
  sha256: z.string(),
  created_at: time,
})
export type Checkpoint = z.infer<typeof Checkpoint>

export const Cost = z.object({
  seconds: z.number().describe('from the start of the process to its end; of a training, in all of its attempts'),
  peak_memory_bytes: z
    .number()
    .int()
    .nullable()
    .describe('largest resident size that was seen; null where it ended first'),
})
export type Cost = z.infer<typeof Cost>

const Input = z.object({ sha256: z.string(), spec: z.unknown(), part: DataPart.optional() })

/** What Redis holds; `http` adds `links`. */
export const JobRecord = z.object({
  id: z.string(),
  object: z.literal('job'),
  owner: z.string(),
  status: z.enum(JOB_STATUSES),
  phase: z.string().nullable(),
  progress: Progress.nullable(),
  created_at: time,
  queued_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  attempt: z.number().int(),
  /** grows with every change; the weak ETag */
  version: z.number().int(),
  /** as it was sent, without the webhook's secret */
  request: Sent,
  retry_of: z.string().nullable().default(null).describe('the job whose request this one repeats'),
  comparison_id: z.string().nullable().default(null).describe('the comparison of which this job is a row'),
  priority: z.enum(PRIORITIES).default('normal'),
  /** resolved: what the runner is told */
  options: Recipe,
  limits: z.object({ max_runtime_seconds: z.number(), max_queue_seconds: z.number() }),
  metrics: Metrics.nullable(),
  artifacts: z.array(ArtifactSummary),
  checkpoint: Checkpoint.nullable().default(null).describe('from which another attempt would go on'),
  warnings: z.array(Warning),
  error: JobError.nullable(),
  /** bubblewrap | rlimits: how the runner was confined; null before it started */
  sandbox: z.string().nullable(),
  attempts_made: z
    .array(Rung)
    .default([])
    .describe(
      'of the method auto: the rungs that it has climbed so far; of one that was interrupted, those of the last attempt',
    ),
  best_so_far: z
    .array(ArtifactSummary)
    .default([])
    .describe(
      'of the method auto while it runs: the artifact of the best rung so far; those of the end are in `artifacts`',
    ),
  cost: Cost.nullable().default(null).describe('what the last attempt took'),
  metadata: Metadata,
  /** the one that the request gave, which shows it no more */
  webhook_secret: z.string().nullable().default(null),
  /** of the request that made it */
  correlation: z.object({ request_id: z.string(), traceparent: z.string().optional() }).nullable().default(null),
  /** content of the inputs, so that a worker needs no other record */
  inputs: z.object({
    model: z.array(z.object({ path: z.string(), sha256: z.string(), size: z.number() })),
    calibration: Input.nullable(),
    training: Input.nullable().default(null),
    evaluation: Input.nullable(),
  }),
})
export type JobRecord = z.infer<typeof JobRecord>

export const JobEvent = z.object({
  id: z.string().describe('evt_…; pass it as Last-Event-ID or ?after='),
  object: z.literal('event'),
  job_id: z.string(),
  created_at: time,
  type: z.enum([
    'job.queued',
    'job.started',
    'job.progress',
    'job.warning',
    'job.rung',
    'job.canceling',
    'job.retrying',
    'job.succeeded',
    'job.failed',
    'job.canceled',
    'job.expired',
  ]),
  data: z.record(z.string(), z.unknown()),
})
export type JobEvent = z.infer<typeof JobEvent>
