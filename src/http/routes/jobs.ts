/** /v1/jobs: quantize, follow, cancel. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { METHOD_NAMES, Recipe } from '../../contract/recipe.ts'
import type { Deps } from '../../deps.ts'
import { cancelJob } from '../../jobs/cancel-job.ts'
import { createJob } from '../../jobs/create/create-job.ts'
import { deleteJob } from '../../jobs/delete-job.ts'
import { getJob, getJobText } from '../../jobs/get-job.ts'
import { JOB_CURSOR, listJobs } from '../../jobs/list-jobs.ts'
import {
  ArtifactSummary,
  Checkpoint,
  isTerminal,
  JOB_STATUSES,
  JobRecord,
  JobRequest,
  type SentRequest,
} from '../../jobs/record/job.ts'
import { viewJob } from '../../jobs/record/view-job.ts'
import { retryJob } from '../../jobs/retry-job.ts'
import { idPattern } from '../../shared/ids.ts'
import { Conditions } from '../conditions.ts'
import { ACCEPTED, CONDITIONAL, REPORT } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { matchesEtag, requireMatch } from '../etag.ts'
import { followPreference, parseWait } from '../prefer.ts'
import { withLimits } from '../rate-limit.ts'
import { findReport } from '../report.ts'
import { sendContent } from '../send-content.ts'
import { sendText } from '../send-text.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('job', 'job')
const RETRY_AFTER_SECONDS = 1

export const Job = JobRecord.omit({
  owner: true,
  inputs: true,
  version: true,
  webhook_secret: true,
  correlation: true,
}).extend({
  links: z.object({
    self: z.string(),
    events: z.string(),
    cancel: z.string(),
    retry: z.string(),
    artifacts: z.string(),
    report: z.string(),
  }),
})
export const JobList = listOf(Job)
export const ArtifactList = z.object({
  object: z.literal('list'),
  data: z.array(ArtifactSummary),
  has_more: z.literal(false),
})

export const CheckpointList = z.object({
  object: z.literal('list'),
  data: z.array(Checkpoint),
  has_more: z.literal(false),
})

export const DryRun = z.object({
  object: z.literal('dry_run'),
  valid: z.boolean(),
  options: Recipe.nullable().describe('every "auto" resolved; null when that is not possible'),
  violations: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).describe('the first 20'),
  violation_count: z.number().int().describe('how many there are'),
})

const Waiting = z.looseObject({
  prefer: z.string().optional().describe('`wait=n`: seconds to wait, at most 50'),
})

const etagOf = ({ version }: { version: number }): string => `W/"${version}"`

export const create = endpoint(
  {
    operationId: 'createJob',
    'x-idempotent': true,
    tags: ['jobs'],
    summary: 'Quantize a model',
    description:
      'Checks the recipe against target, model and data before it accepts: all problems come at once, each with a pointer. With `dry_run=true` nothing is made and the answer tells the resolved options and the violations. With `Prefer: wait=20` the answer waits, at most 50 s, and is 200 when the job has ended by then.',
    querystring: z.strictObject({ dry_run: z.stringbool().default(false).describe('only check and resolve') }),
    headers: Waiting,
    body: JobRequest,
    response: {
      200: answer(
        'The result of a dry run, the job at its end, or one that does the same work',
        z.union([Job, DryRun]),
      ),
      202: answer('The job was accepted', Job),
    },
    'x-errors': [
      'malformed_request',
      'payload_too_large',
      'unsupported_media_type',
      'invalid_request',
      'too_many_jobs',
      'stored_bytes_exceeded',
    ],
    'x-document': ACCEPTED,
  },
  async (call) => {
    const { deps, owner, query, body, request, newId } = call
    if (query.dry_run) return createJob(deps, owner, body, { dryRun: true })
    const id = newId('job')
    // as the schema has found it to be
    const sent = request.sent as SentRequest
    return sendNew(call, id, () => createJob(deps, owner, body, { dryRun: false, id, sent }))
  },
)

export const retry = endpoint(
  {
    operationId: 'retryJob',
    'x-idempotent': true,
    tags: ['jobs'],
    summary: 'Repeat a job',
    description:
      'Makes a new job of the same request, whose `retry_of` names this one. Refused while this one is not finished.',
    params: Id,
    headers: Waiting,
    response: { 200: answer('The new job at its end', Job), 202: answer('The new job was accepted', Job) },
    'x-errors': ['not_found', 'job_not_finished', 'invalid_request', 'too_many_jobs', 'stored_bytes_exceeded'],
    'x-document': ACCEPTED,
  },
  async (call) => {
    const id = call.newId('job')
    return sendNew(call, id, () => retryJob(call.deps, call.owner, call.params.id, id))
  },
)

interface Creation {
  deps: Deps
  owner: string
  headers: z.output<typeof Waiting>
  request: FastifyRequest
  reply: FastifyReply
}

/** 202, or 200 with a job that has ended, or that was there before. */
async function sendNew(call: Creation, id: string, make: () => Promise<JobRecord>): Promise<FastifyReply> {
  const { deps, owner, headers, request, reply } = call
  const made = await withLimits({ deps, owner, reply }, ['unfinished-jobs', 'stored-bytes'], make)
  const wait = parseWait(headers.prefer)
  const job = await followPreference(deps, made, {
    wait,
    signal: request.gone,
    load: () => getJob(deps, owner, made.id),
    isNews: ({ status }) => isTerminal(status),
  })
  if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
  const view = viewJob(job)
  const known = isTerminal(job.status) || job.id !== id
  if (!known) reply.header('retry-after', RETRY_AFTER_SECONDS)
  return reply
    .code(known ? 200 : 202)
    .headers({ location: view.links.self, etag: etagOf(job), vary: 'Prefer' })
    .send(view)
}

export const list = endpoint(
  {
    operationId: 'listJobs',
    tags: ['jobs'],
    summary: 'List jobs',
    description: 'Newest first.',
    querystring: pageOf(JOB_CURSOR).extend({
      status: z.enum(JOB_STATUSES).optional(),
      model_id: z.string().regex(idPattern('mdl'), 'not the id of a model').optional(),
      target: z.string().min(1).max(200).optional().describe('a built-in target, or the id of a profile'),
      method: z.enum(METHOD_NAMES).optional(),
      created_after: z.iso.datetime({ offset: true }).optional(),
    }),
    response: { 200: answer('A page of jobs', JobList) },
  },
  async ({ deps, owner, query, reply }) => {
    const { data, ...page } = await listJobs(deps, owner, query)
    return sendText(reply, `{"object":"list","data":[${data.join(',')}],${JSON.stringify(page).slice(1)}`)
  },
)

export const get = endpoint(
  {
    operationId: 'getJob',
    tags: ['jobs'],
    summary: 'Get a job',
    description:
      'With `If-None-Match` a poll that sees no change costs a 304. With `Prefer: wait=20` the answer waits, at most 50 s, until the job has finished, or, together with If-None-Match, until it has changed.',
    params: Id,
    headers: Conditions.extend(Waiting.shape),
    response: { 200: answer('The job', Job) },
    'x-errors': ['not_found', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async ({ deps, owner, params, headers, request, reply }) => {
    const wait = parseWait(headers.prefer)
    const known = headers['if-none-match']
    const isNews = (job: { version: number }) => !matchesEtag(known, etagOf(job))
    if (wait !== undefined) {
      const load = () => getJob(deps, owner, params.id)
      const hasNews = (job: JobRecord) => isTerminal(job.status) || (known !== undefined && isNews(job))
      await followPreference(deps, await load(), { wait, signal: request.gone, load, isNews: hasNews })
      reply.header('preference-applied', `wait=${wait}`)
    }
    const job = await getJobText(deps, owner, params.id)
    requireMatch(headers['if-match'], etagOf(job))
    reply.headers({ etag: etagOf(job), 'cache-control': 'private, no-cache', vary: 'Prefer' })
    return isNews(job) ? sendText(reply, job.text) : reply.code(304).send()
  },
)

export const cancel = endpoint(
  {
    operationId: 'cancelJob',
    tags: ['jobs'],
    summary: 'Cancel a job',
    description: '202 while the job is being canceled, 200 when it is.',
    params: Id,
    headers: Conditions,
    response: { 200: answer('The job is canceled', Job), 202: answer('The job is being canceled', Job) },
    'x-errors': ['not_found', 'job_already_finished', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, reply }) => {
    const check = (job: JobRecord) => requireMatch(headers['if-match'], etagOf(job))
    const job = await cancelJob(deps, owner, params.id, check)
    reply.header('etag', etagOf(job))
    return reply.code(job.status === 'canceled' ? 200 : 202).send(viewJob(job))
  },
)

export const remove = endpoint(
  {
    operationId: 'deleteJob',
    tags: ['jobs'],
    summary: 'Delete a job',
    description: 'With its events and artifacts. Refused while it is not finished.',
    params: Id,
    headers: Conditions,
    response: { 204: NoContent },
    'x-errors': ['not_found', 'job_not_finished', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, reply }) => {
    await deleteJob(deps, owner, params.id, (job) => requireMatch(headers['if-match'], etagOf(job)))
    return reply.code(204).send()
  },
)

export const artifacts = endpoint(
  {
    operationId: 'listJobArtifacts',
    tags: ['jobs'],
    summary: "List a job's artifacts",
    description: 'What the job made; empty before it has succeeded.',
    params: Id,
    response: { 200: answer('The artifacts', ArtifactList) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params }) => {
    const job = await getJob(deps, owner, params.id)
    return { object: 'list', data: job.artifacts, has_more: false }
  },
)

export const checkpoints = endpoint(
  {
    operationId: 'listJobCheckpoints',
    tags: ['jobs'],
    summary: "List a training's checkpoints",
    description:
      'The state from which another attempt would go on while the job is unfinished: at most one. When the job has succeeded, it is an artifact.',
    params: Id,
    response: { 200: answer('The checkpoints', CheckpointList) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params }) => {
    const { checkpoint } = await getJob(deps, owner, params.id)
    return { object: 'list', data: checkpoint ? [checkpoint] : [], has_more: false }
  },
)

export const report = endpoint(
  {
    operationId: 'getJobReport',
    tags: ['jobs'],
    summary: "Get a job's report",
    description:
      'What the quantization proved: accuracy, fidelity, size, latency, coverage, and how each was measured.',
    params: Id,
    'x-errors': ['not_found', 'not_acceptable', 'job_not_finished', 'precondition_failed'],
    'x-document': REPORT,
  },
  async ({ deps, owner, params, request, reply }) => {
    const found = findReport(deps, await getJob(deps, owner, params.id), request.headers.accept)
    return sendContent({ request, reply: reply.header('vary', 'Accept') }, found)
  },
)
