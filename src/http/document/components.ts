/** Which schemas the OpenAPI document names. */
import { z } from 'zod'
import { ApiKey, NewApiKey } from '../../api-keys/api-key.ts'
import {
  ComparisonEvent,
  ComparisonRequest,
  ComparisonRow,
  ComparisonSummary,
  ComparisonView,
} from '../../comparisons/comparison.ts'
import { AutoReport, Rung } from '../../contract/auto.ts'
import { Comparison } from '../../contract/comparison.ts'
import { Goals } from '../../contract/goals.ts'
import {
  AutoMethod,
  DatasetSpec,
  DynamicMethod,
  Float16Method,
  Method,
  QatMethod,
  Recipe,
  StaticMethod,
  TargetName,
  TargetProfile,
  Training,
  WeightOnlyMethod,
} from '../../contract/recipe.ts'
import { Metrics, Report, Warning } from '../../contract/report.ts'
import { OperatorSupport } from '../../contract/target-profile.ts'
import { ArtifactSummary, Checkpoint, JobError, JobEvent, JobRequest } from '../../jobs/record/job.ts'
import { Model, Port } from '../../models/model.ts'
import { Upload, UploadPart } from '../../uploads/upload.ts'
import { WebhookAttempt, WebhookDelivery, WebhookDeliveryWithPayload } from '../../webhooks/deliveries/delivery.ts'
import { NewWebhookEndpoint, WebhookEndpoint } from '../../webhooks/endpoints/endpoint.ts'
import { Problem } from '../problem.ts'
import { ApiKeyList, ApiKeyRequest } from '../routes/api-keys.ts'
import { ComparisonDryRun, ComparisonEventList, ComparisonList, ComparisonRetry } from '../routes/comparisons.ts'
import { Dataset, DatasetList } from '../routes/datasets.ts'
import { EventList } from '../routes/events.ts'
import { Health } from '../routes/health.ts'
import { ArtifactList, CheckpointList, DryRun, Job, JobList } from '../routes/jobs.ts'
import { ModelList } from '../routes/models.ts'
import { ProblemKind, ProblemKindList } from '../routes/problems.ts'
import { Target, TargetList } from '../routes/targets.ts'
import { UploadCompletion, UploadList, UploadRequest } from '../routes/uploads.ts'
import { WebhookDeliveryList } from '../routes/webhook-deliveries.ts'
import { WebhookEndpointList, WebhookEndpointPatch, WebhookEndpointRequest } from '../routes/webhook-endpoints.ts'
import { WebhookSecret } from '../routes/webhook-secret.ts'

const COMPONENTS: Record<string, z.ZodType> = {
  ApiKey,
  ApiKeyList,
  ApiKeyRequest,
  Artifact: ArtifactSummary,
  ArtifactList,
  AutoMethod,
  AutoReport,
  Checkpoint,
  CheckpointList,
  Comparison: ComparisonView,
  ComparisonDryRun,
  ComparisonEvent,
  ComparisonEventList,
  ComparisonList,
  ComparisonReport: Comparison,
  ComparisonRequest,
  ComparisonRetry,
  ComparisonRow,
  ComparisonSummary,
  Dataset,
  DatasetList,
  DatasetSpec,
  DryRun,
  DynamicMethod,
  Event: JobEvent,
  EventList,
  Float16Method,
  Goals,
  Health,
  Job,
  JobError,
  JobList,
  JobRequest,
  Method,
  Metrics,
  Model,
  ModelList,
  NewApiKey,
  NewWebhookEndpoint,
  OperatorSupport,
  Port,
  Problem,
  ProblemKind,
  ProblemKindList,
  QatMethod,
  Recipe,
  Report,
  Rung,
  StaticMethod,
  Target,
  TargetList,
  TargetName,
  TargetProfile,
  Training,
  Upload,
  UploadCompletion,
  UploadList,
  UploadPart,
  UploadRequest,
  Warning,
  WebhookAttempt,
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookDeliveryWithPayload,
  WebhookEndpoint,
  WebhookEndpointList,
  WebhookEndpointPatch,
  WebhookEndpointRequest,
  WebhookSecret,
  WeightOnlyMethod,
}

/** A registry of the named schemas on top of the descriptions that the schemas carry themselves. */
export function nameComponents(): typeof z.globalRegistry {
  for (const [id, schema] of Object.entries(COMPONENTS)) {
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id })
  }
  return z.globalRegistry
}
