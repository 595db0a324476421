/** The record of a comparison: what was asked for, its rows, and the table as it is so far. The jobs of its rows are the truth of what they did. */
import { z } from 'zod'
import { Comparison } from '../contract/comparison.ts'
import { Goals } from '../contract/goals.ts'
import { Exclude, InputShapes, InputValues, Method, Target } from '../contract/recipe.ts'
import { ArtifactSummary, JobRequest } from '../jobs/record/job.ts'
import { ERROR_CODES } from '../shared/errors.ts'
import { COMPARISON_WEBHOOK_EVENTS } from '../webhooks/events.ts'
import { GivenSecret } from '../webhooks/webhook-secret.ts'

export const COMPARISON_STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled'] as const
export type ComparisonStatus = (typeof COMPARISON_STATUSES)[number]
const ENDS: readonly ComparisonStatus[] = ['succeeded', 'failed', 'canceled']
export const hasEnded = ({ status }: { status: ComparisonStatus }): boolean => ENDS.includes(status)

export const MOST_ROWS = 32
const time = z.iso.datetime()
const job = JobRequest.shape

export const ComparisonRequest = z.strictObject({
  model_id: z.string(),
  targets: z
    .array(Target)
    .min(1)
    .max(8)
    .optional()
    .describe('cpu-int8, cpu-int4 and gpu-float16 by default: one of each kind that any worker can verify'),
  methods: z
    .array(Method)
    .min(1)
    .max(16)
    .optional()
    .describe(
      'by default everything that makes sense for the targets and the data given, from the cheapest to training',
    ),
  calibration: job.calibration,
  training: job.training.describe('for the method qat, which learns from the calibration data without it'),
  evaluation: job.evaluation.describe(
    'what judges every row; without it half of the calibration data, or else of the training data, which then does nothing else',
  ),
  goals: Goals.optional(),
  exclude: Exclude.optional(),
  input_shapes: InputShapes.optional(),
  input_values: InputValues.optional(),
  limits: job.limits.describe('of each row'),
  seed: job.seed,
  priority: job.priority,
  webhook: z
    .strictObject({
      url: z.url().max(2048),
      events: z.array(z.enum(COMPARISON_WEBHOOK_EVENTS)).min(1).optional(),
      secret: GivenSecret.optional().describe('whsec_… of your own; it is not shown again'),
    })
    .optional(),
  metadata: job.metadata,
})
export type ComparisonRequest = z.infer<typeof ComparisonRequest>
/** As a client sends it, without what is filled in for it. */
export type SentComparison = z.input<typeof ComparisonRequest>
const isRequest = (value: unknown): boolean => ComparisonRequest.safeParse(value).success
const Sent = z
  .unknown()
  .refine(isRequest, 'not a request')
  .meta({ $ref: '#/components/schemas/ComparisonRequestInput' }) as unknown as z.ZodType<SentComparison>

const RowError = z.object({ code: z.enum(ERROR_CODES), detail: z.string(), hint: z.string().nullable() })

/** A method for a target, and the job that does it. */
export interface RowOrder {
  /** unique for its target */
  name: string
  /** index in `targets` of the record */
  target: number
  method: Method
  job_id: string
  /** the job was refused: there is none */
  error: z.infer<typeof RowError> | null
  /** its end has been told in an event */
  told: boolean
}

const base = {
  id: z.string(),
  object: z.literal('comparison'),
  status: z.enum(COMPARISON_STATUSES),
  created_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  request: Sent,
  metadata: z.record(z.string(), z.string()),
}

/** What Redis holds. */
export interface ComparisonRecord {
  id: string
  object: 'comparison'
  owner: string
  version: number
  status: ComparisonStatus
  created_at: string
  started_at: string | null
  finished_at: string | null
  request: SentComparison
  metadata: Record<string, string>
  webhook_secret: string | null
  /** what the jobs of all rows have in common; data sets with the parts that each of them reads */
  shared: Omit<JobRequest, 'target' | 'method'>
  targets: Target[]
  rows: RowOrder[]
  /** the float model first, so that row i of the table belongs to `rows[i - 1]`; null before any row has ended */
  table: Comparison | null
  /** counts the times at which rows were put on the queue */
  round: number
}

export const ComparisonRow = Comparison.shape.rows.element.extend({
  job_id: z.string().nullable().describe('null of the float model, and of a row that was refused'),
  progress: z.number().min(0).max(1).nullable().describe('of the job, while it runs'),
  artifacts: z.array(ArtifactSummary.pick({ id: true, name: true, content_type: true, size_bytes: true })),
})
export type ComparisonRow = z.infer<typeof ComparisonRow>

const withJob = { job_id: z.string().nullable().describe('of the recommended row; null where that is the float model') }

/** As the outside sees it. */
export const ComparisonView = Comparison.omit({
  rows: true,
  recommendation: true,
  verdicts: true,
  object: true,
}).extend({
  ...base,
  progress: z.object({ fraction: z.number(), rows_ended: z.number().int(), rows: z.number().int() }),
  rows: z.array(ComparisonRow).describe('the float model first'),
  recommendation: Comparison.shape.recommendation
    .unwrap()
    .extend(withJob)
    .nullable()
    .describe('of the target that is served best, by the rows that have ended; null where none has'),
  verdicts: z.array(Comparison.shape.verdicts.element.extend(withJob)).describe('one for each target'),
  links: z.object({
    self: z.string(),
    events: z.string(),
    cancel: z.string(),
    retry: z.string(),
    report: z.string(),
  }),
})
export type ComparisonView = z.infer<typeof ComparisonView>

export const ComparisonSummary = ComparisonView.omit({ rows: true, verdicts: true, quality: true, margin: true })
export type ComparisonSummary = z.infer<typeof ComparisonSummary>

export const ComparisonEvent = z.object({
  id: z.string().describe('evt_…; pass it as Last-Event-ID or ?after='),
  object: z.literal('event'),
  comparison_id: z.string(),
  created_at: time,
  type: z.enum([
    'comparison.queued',
    'comparison.started',
    'comparison.row',
    'comparison.canceling',
    'comparison.retrying',
    'comparison.succeeded',
    'comparison.failed',
    'comparison.canceled',
  ]),
  data: z.record(z.string(), z.unknown()),
})
export type ComparisonEvent = z.infer<typeof ComparisonEvent>
