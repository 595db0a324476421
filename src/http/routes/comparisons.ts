/** /v1/comparisons: several methods and targets for one model, and what to make of them. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { cancelComparison } from '../../comparisons/cancel-comparison.ts'
import {
  ComparisonEvent,
  type ComparisonRecord,
  ComparisonRequest,
  ComparisonSummary,
  ComparisonView,
  hasEnded,
  type SentComparison,
} from '../../comparisons/comparison.ts'
import { comparisonEventsOf } from '../../comparisons/comparison-events.ts'
import { createComparison, planComparison } from '../../comparisons/create-comparison.ts'
import { deleteComparison } from '../../comparisons/delete-comparison.ts'
import { listComparisons } from '../../comparisons/list-comparisons.ts'
import { getComparison } from '../../comparisons/load-comparison.ts'
import { retryRows } from '../../comparisons/retry-rows.ts'
import { linksOf, viewComparison } from '../../comparisons/view-comparison.ts'
import { Comparison } from '../../contract/comparison.ts'
import { METHOD_NAMES, Recipe } from '../../contract/recipe.ts'
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { idPattern } from '../../shared/ids.ts'
import { Conditions, sendUnlessKnown } from '../conditions.ts'
import { ACCEPTED, CONDITIONAL, EVENT_STREAM } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { DESCRIPTION, EventHeaders, EventQueryString, sendEvents } from '../event-list.ts'
import { followPreference, parseWait } from '../prefer.ts'
import { withLimits } from '../rate-limit.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('cmp', 'comparison')
const RETRY_AFTER_SECONDS = 1

export const ComparisonList = listOf(ComparisonSummary)
export const ComparisonEventList = listOf(ComparisonEvent)

export const ComparisonDryRun = z.object({
  object: z.literal('comparison_dry_run'),
  valid: z.boolean().describe('whether any row would run'),
  rows: z.array(
    z.object({
      name: z.string(),
      target: z.string(),
      method: z.enum(METHOD_NAMES),
      options: Recipe.nullable().describe('what the job of the row would be told; null where it would be refused'),
      violations: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })),
    }),
  ),
})

export const ComparisonRetry = z.strictObject({
  rows: z
    .array(z.number().int().min(1))
    .min(1)
    .max(100)
    .optional()
    .describe('indices in `rows` of the comparison; by default every row without a result'),
})

const Waiting = z.looseObject({
  prefer: z.string().optional().describe('`wait=n`: seconds to wait, at most 50'),
})

export const create = endpoint(
  {
    operationId: 'createComparison',
    'x-idempotent': true,
    tags: ['comparisons'],
    summary: 'Compare methods and targets',
    description:
      'Is post-training quantization enough for this model, or does training pay? Runs each method for each target as a job of its own, on whatever workers there are, and judges all of them on the same samples. What one row cannot do does not end the others. With `dry_run=true` nothing is made and the answer tells the rows, their options and their violations. With `Prefer: wait=20` the answer waits, at most 50 s, and is 200 when the comparison has ended by then.',
    querystring: z.strictObject({ dry_run: z.stringbool().default(false).describe('only plan and check') }),
    headers: Waiting,
    body: ComparisonRequest,
    response: {
      200: answer('The result of a dry run, or the comparison at its end', z.union([ComparisonView, ComparisonDryRun])),
      202: answer('The comparison was accepted', ComparisonView),
    },
    'x-errors': [
      'malformed_request',
      'payload_too_large',
      'unsupported_media_type',
      'invalid_request',
      'target_method_mismatch',
      'too_many_jobs',
      'stored_bytes_exceeded',
    ],
    'x-document': ACCEPTED,
  },
  async (call) => {
    const { deps, owner, query, body, request, newId } = call
    if (query.dry_run) return planComparison(deps, owner, body)
    // as the schema has found it to be
    const sent = request.sent as SentComparison
    return sendStarted(call, () => createComparison(deps, owner, body, { id: newId('cmp'), sent }))
  },
)

export const retry = endpoint(
  {
    operationId: 'retryComparison',
    'x-idempotent': true,
    tags: ['comparisons'],
    summary: 'Repeat rows of a comparison',
    description: 'Each with a new job; the other rows stay as they are. Refused while the comparison has not ended.',
    params: Id,
    headers: Waiting,
    body: ComparisonRetry.nullish(),
    response: {
      200: answer('The comparison at its end', ComparisonView),
      202: answer('The rows are being repeated', ComparisonView),
    },
    'x-errors': ['not_found', 'job_not_finished', 'invalid_request', 'too_many_jobs', 'stored_bytes_exceeded'],
    'x-document': ACCEPTED,
  },
  async (call) => sendStarted(call, () => retryRows(call.deps, call.owner, call.params.id, call.body?.rows)),
)

interface Start {
  deps: Deps
  owner: string
  headers: z.output<typeof Waiting>
  request: FastifyRequest
  reply: FastifyReply
}

/** 202, or 200 with a comparison that has ended. */
async function sendStarted(call: Start, start: () => Promise<ComparisonRecord>): Promise<FastifyReply> {
  const { deps, owner, headers, request, reply } = call
  const made = await withLimits({ deps, owner, reply }, ['unfinished-jobs', 'stored-bytes'], start)
  const record = await waitForEnd(call, made, request.gone)
  if (parseWait(headers.prefer) === undefined && !hasEnded(record)) reply.header('retry-after', RETRY_AFTER_SECONDS)
  const view = await viewComparison(deps, record)
  return reply
    .code(hasEnded(record) ? 200 : 202)
    .headers({ location: linksOf(record.id).self, etag: etagOf(view), vary: 'Prefer' })
    .send(view)
}

function waitForEnd({ deps, owner, headers, reply }: Start, first: ComparisonRecord, signal: AbortSignal) {
  const wait = parseWait(headers.prefer)
  if (wait !== undefined) reply.header('preference-applied', `wait=${wait}`)
  const load = () => getComparison(deps, owner, first.id)
  return followPreference(deps, first, { wait, signal, load, isNews: hasEnded })
}

/** The jobs of the rows change without the record: the tag is of what is answered. */
const etagOf = (view: ComparisonView): string =>
  `W/"${createHash('sha256').update(JSON.stringify(view)).digest('base64url').slice(0, 22)}"`

export const list = endpoint(
  {
    operationId: 'listComparisons',
    tags: ['comparisons'],
    summary: 'List comparisons',
    description: 'Newest first, without their rows.',
    querystring: pageOf(idPattern('cmp')),
    response: { 200: answer('A page of comparisons', ComparisonList) },
  },
  async ({ deps, owner, query }) => ({ object: 'list', ...(await listComparisons(deps, owner, query)) }),
)

export const get = endpoint(
  {
    operationId: 'getComparison',
    tags: ['comparisons'],
    summary: 'Get a comparison',
    description:
      'The table so far, with the jobs of its rows. With `If-None-Match` a poll that sees no change costs a 304. With `Prefer: wait=20` the answer waits, at most 50 s, until the comparison has ended.',
    params: Id,
    headers: Conditions.extend(Waiting.shape),
    response: { 200: answer('The comparison', ComparisonView) },
    'x-errors': ['not_found', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async (call) => {
    const { deps, owner, params, headers, request, reply } = call
    const record = await waitForEnd(call, await getComparison(deps, owner, params.id), request.gone)
    const view = await viewComparison(deps, record)
    return sendUnlessKnown(reply.header('vary', 'Prefer'), headers, etagOf(view), view)
  },
)

export const events = endpoint(
  {
    operationId: 'listComparisonEvents',
    tags: ['comparisons'],
    summary: 'List or stream the events of a comparison',
    description: DESCRIPTION,
    params: Id,
    querystring: EventQueryString,
    headers: EventHeaders,
    response: { 200: answer('A page of events, or the stream', ComparisonEventList) },
    'x-errors': ['not_found', 'not_acceptable'],
    'x-document': EVENT_STREAM,
  },
  (call) => sendEvents(call, comparisonEventsOf(call.deps, call.owner, call.params.id)),
)

export const cancel = endpoint(
  {
    operationId: 'cancelComparison',
    tags: ['comparisons'],
    summary: 'Cancel a comparison',
    description: 'Rows that have ended stay. 202 while others are being canceled, 200 when they are.',
    params: Id,
    response: {
      200: answer('The comparison is canceled', ComparisonView),
      202: answer('The comparison is being canceled', ComparisonView),
    },
    'x-errors': ['not_found', 'job_already_finished'],
  },
  async ({ deps, owner, params, reply }) => {
    const record = await cancelComparison(deps, owner, params.id)
    return reply.code(hasEnded(record) ? 200 : 202).send(await viewComparison(deps, record))
  },
)

export const remove = endpoint(
  {
    operationId: 'deleteComparison',
    tags: ['comparisons'],
    summary: 'Delete a comparison',
    description: 'With the jobs of its rows and their artifacts. Refused while it has not ended.',
    params: Id,
    querystring: z.strictObject({
      keep_jobs: z.stringbool().default(false).describe('the jobs stay, as jobs of their own'),
    }),
    response: { 204: NoContent },
    'x-errors': ['not_found', 'job_not_finished'],
  },
  async ({ deps, owner, params, query, reply }) => {
    await deleteComparison(deps, owner, params.id, { keepJobs: query.keep_jobs })
    return reply.code(204).send()
  },
)

export const report = endpoint(
  {
    operationId: 'getComparisonReport',
    tags: ['comparisons'],
    summary: "Get a comparison's report",
    description:
      'The table and the recommendation as a document of their own, as the library and the command write it.',
    params: Id,
    headers: Conditions,
    response: { 200: answer('The report', Comparison) },
    'x-errors': ['not_found', 'job_not_finished', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async ({ deps, owner, params, headers, reply }) => {
    const { table, status, version } = await getComparison(deps, owner, params.id)
    if (!table) throw new FewbitError('job_not_finished', `comparison ${params.id} is ${status} and has no row to show`)
    return sendUnlessKnown(reply, headers, `W/"${version}"`, table)
  },
)
