/** Examples of bodies, by the name of their schema in the document; after a dot: one of several. */
import { TARGETS } from '../../../engine/targets/index.ts'
import * as comparisons from './comparison.ts'
import { COMPARISON_REPORT } from './comparison-report.ts'
import * as files from './files.ts'
import * as jobs from './job.ts'
import { REPORT } from './report.ts'
import * as service from './service.ts'
import * as webhooks from './webhooks.ts'

const TARGET = TARGETS['npu-vitis-ai']

/** A page of one, which is the last. */
const pageOf = (item: unknown) => ({ object: 'list', data: [item], has_more: false, next_cursor: null })
const listOf = (item: unknown) => ({ object: 'list', data: [item], has_more: false })

export const EXAMPLES: Readonly<Record<string, unknown>> = {
  Model: files.MODEL,
  ModelList: pageOf(files.MODEL),
  Dataset: files.DATASET,
  DatasetList: pageOf(files.DATASET),
  UploadRequest: files.UPLOAD_REQUEST,
  UploadCompletion: files.UPLOAD_COMPLETION,
  UploadPart: files.UPLOAD_PART,
  Upload: files.UPLOAD,
  UploadList: listOf(files.UPLOAD),
  Target: TARGET,
  TargetList: listOf(TARGET),
  'JobRequest.calibrated': jobs.JOB_REQUEST,
  'JobRequest.trained': jobs.TRAINING_REQUEST,
  'JobRequest.profile': jobs.PROFILE_REQUEST,
  Job: jobs.JOB,
  JobList: pageOf(jobs.JOB),
  DryRun: jobs.DRY_RUN,
  Event: jobs.EVENT,
  EventList: pageOf(jobs.EVENT),
  Artifact: jobs.ARTIFACT,
  ArtifactList: listOf(jobs.ARTIFACT),
  CheckpointList: listOf(jobs.CHECKPOINT),
  Report: REPORT,
  ComparisonRequest: comparisons.COMPARISON_REQUEST,
  Comparison: comparisons.COMPARISON,
  ComparisonList: pageOf(comparisons.COMPARISON_SUMMARY),
  ComparisonDryRun: comparisons.COMPARISON_DRY_RUN,
  ComparisonRetry: comparisons.COMPARISON_RETRY,
  ComparisonEventList: pageOf(comparisons.COMPARISON_EVENT),
  ComparisonReport: COMPARISON_REPORT,
  WebhookEndpointRequest: webhooks.WEBHOOK_ENDPOINT_REQUEST,
  WebhookEndpointPatch: webhooks.WEBHOOK_ENDPOINT_PATCH,
  WebhookEndpoint: webhooks.WEBHOOK_ENDPOINT,
  WebhookEndpointList: pageOf(webhooks.WEBHOOK_ENDPOINT),
  NewWebhookEndpoint: webhooks.NEW_WEBHOOK_ENDPOINT,
  WebhookSecret: webhooks.WEBHOOK_SECRET,
  WebhookDelivery: webhooks.WEBHOOK_DELIVERY,
  WebhookDeliveryList: pageOf(webhooks.WEBHOOK_DELIVERY),
  WebhookDeliveryWithPayload: webhooks.WEBHOOK_DELIVERY_WITH_PAYLOAD,
  ApiKeyRequest: service.API_KEY_REQUEST,
  ApiKey: service.API_KEY,
  ApiKeyList: pageOf(service.API_KEY),
  NewApiKey: service.NEW_API_KEY,
  Health: service.HEALTH,
  ProblemKind: service.PROBLEM_KIND,
  ProblemKindList: listOf(service.PROBLEM_KIND),
}

/** What is answered when the work has only begun. */
export const ACCEPTED_EXAMPLES: Readonly<Record<string, unknown>> = {
  'Job.queued': jobs.QUEUED_JOB,
  'Comparison.queued': comparisons.QUEUED_COMPARISON,
}

const BYTES = 'the bytes of the file'

export const MEDIA_EXAMPLES: Readonly<Record<string, unknown>> = {
  'application/octet-stream': BYTES,
  'multipart/form-data': { file: BYTES, name: 'net', metadata: '{"commit":"4f2a9c1"}' },
  'text/html': '<!doctype html><html lang="en"><head><title>static for cpu-int8</title></head><body></body></html>',
  'text/event-stream': `id: ${jobs.EVENT.id}\nevent: ${jobs.EVENT.type}\ndata: ${JSON.stringify(jobs.EVENT)}\n\n`,
  'text/plain': '# TYPE fewbit_jobs gauge\nfewbit_jobs{status="queued",method="static"} 2\n',
}
