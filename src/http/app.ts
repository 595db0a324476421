/** The whole API on one screen. */
import multipart from '@fastify/multipart'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import type { Deps } from '../deps.ts'
import { mount, type Row } from './endpoint.ts'
import { expect } from './expect.ts'
import { keepAnswers } from './once.ts'
import { documentation } from './plugins/documentation.ts'
import { guard } from './plugins/guard.ts'
import { json } from './plugins/json.ts'
import { measure } from './plugins/measure.ts'
import { pace } from './plugins/pace.ts'
import { problems, refuse } from './plugins/problems.ts'
import { logSerializers, newRequestId, requests } from './plugins/requests.ts'
import { trace } from './plugins/trace.ts'
import { refuseOnSocket, wire } from './plugins/wire.ts'
import * as apiKeys from './routes/api-keys.ts'
import * as artifacts from './routes/artifacts.ts'
import * as comparisons from './routes/comparisons.ts'
import * as datasets from './routes/datasets.ts'
import * as events from './routes/events.ts'
import * as health from './routes/health.ts'
import * as jobs from './routes/jobs.ts'
import * as metrics from './routes/metrics.ts'
import * as models from './routes/models.ts'
import * as problemPages from './routes/problems.ts'
import * as targets from './routes/targets.ts'
import * as uploads from './routes/uploads.ts'
import * as webhookDeliveries from './routes/webhook-deliveries.ts'
import * as webhookEndpoints from './routes/webhook-endpoints.ts'
import * as webhookSecret from './routes/webhook-secret.ts'
import { validatorCompiler } from './validation.ts'

/** Multipart or application/octet-stream, streamed. */
const UPLOADS: readonly Row[] = [
  ['POST', '/v1/models', models.create],
  ['POST', '/v1/datasets', datasets.create],
  ['PUT', '/v1/uploads/:id/parts/:n', uploads.put],
]

const ROUTES: readonly Row[] = [
  ['GET', '/v1/models', models.list],
  ['GET', '/v1/models/:id', models.get],
  ['GET', '/v1/models/:id/content', models.content],
  ['DELETE', '/v1/models/:id', models.remove],

  ['GET', '/v1/datasets', datasets.list],
  ['GET', '/v1/datasets/:id', datasets.get],
  ['DELETE', '/v1/datasets/:id', datasets.remove],

  ['POST', '/v1/uploads', uploads.create],
  ['GET', '/v1/uploads', uploads.list],
  ['GET', '/v1/uploads/:id', uploads.get],
  ['POST', '/v1/uploads/:id/complete', uploads.complete],
  ['DELETE', '/v1/uploads/:id', uploads.remove],

  ['GET', '/v1/targets', targets.list],
  ['GET', '/v1/targets/:id', targets.get],

  ['POST', '/v1/jobs', jobs.create],
  ['GET', '/v1/jobs', jobs.list],
  ['GET', '/v1/jobs/:id', jobs.get],
  ['DELETE', '/v1/jobs/:id', jobs.remove],
  ['POST', '/v1/jobs/:id/cancel', jobs.cancel],
  ['POST', '/v1/jobs/:id/retry', jobs.retry],
  ['GET', '/v1/jobs/:id/events', events.list],
  ['GET', '/v1/jobs/:id/artifacts', jobs.artifacts],
  ['GET', '/v1/jobs/:id/checkpoints', jobs.checkpoints],
  ['GET', '/v1/jobs/:id/report', jobs.report],

  ['GET', '/v1/artifacts/:id', artifacts.get],
  ['GET', '/v1/artifacts/:id/content', artifacts.content],

  ['POST', '/v1/comparisons', comparisons.create],
  ['GET', '/v1/comparisons', comparisons.list],
  ['GET', '/v1/comparisons/:id', comparisons.get],
  ['DELETE', '/v1/comparisons/:id', comparisons.remove],
  ['POST', '/v1/comparisons/:id/cancel', comparisons.cancel],
  ['POST', '/v1/comparisons/:id/retry', comparisons.retry],
  ['GET', '/v1/comparisons/:id/events', comparisons.events],
  ['GET', '/v1/comparisons/:id/report', comparisons.report],

  ['GET', '/v1/webhook-secret', webhookSecret.get],

  ['POST', '/v1/webhook-endpoints', webhookEndpoints.create],
  ['GET', '/v1/webhook-endpoints', webhookEndpoints.list],
  ['GET', '/v1/webhook-endpoints/:id', webhookEndpoints.get],
  ['PATCH', '/v1/webhook-endpoints/:id', webhookEndpoints.patch],
  ['DELETE', '/v1/webhook-endpoints/:id', webhookEndpoints.remove],
  ['POST', '/v1/webhook-endpoints/:id/rotate-secret', webhookEndpoints.rotate],
  ['POST', '/v1/webhook-endpoints/:id/test', webhookDeliveries.test],
  ['GET', '/v1/webhook-endpoints/:id/deliveries', webhookDeliveries.list],
  ['GET', '/v1/webhook-endpoints/:id/deliveries/:delivery_id', webhookDeliveries.get],
  ['POST', '/v1/webhook-endpoints/:id/deliveries/:delivery_id/resend', webhookDeliveries.resend],

  ['POST', '/v1/api-keys', apiKeys.create],
  ['GET', '/v1/api-keys', apiKeys.list],
  ['GET', '/v1/api-keys/:id', apiKeys.get],
  ['POST', '/v1/api-keys/:id/rotate', apiKeys.rotate],
  ['DELETE', '/v1/api-keys/:id', apiKeys.revoke],

  ['GET', '/problems', problemPages.list],
  ['GET', '/problems/:code', problemPages.get],

  ['GET', '/livez', health.live],
  ['GET', '/readyz', health.ready],
  ['GET', '/metrics', metrics.get],
]

export interface Patience {
  /** longer than a stream's heartbeat, a long poll and the reading of an upload: a connection on which nothing moves for so long is cut */
  silenceMs: number
  /** for request line and header fields */
  headMs: number
  /** in which a body must bring its least number of bytes */
  paceMs: number
}

const PATIENCE: Patience = { silenceMs: 180_000, headMs: 20_000, paceMs: 30_000 }

/** Makes the server; the caller listens and closes. */
export function buildApp(deps: Deps, patience: Partial<Patience> = {}): FastifyInstance {
  const { silenceMs, headMs, paceMs } = { ...PATIENCE, ...patience }
  const app = fastify({
    loggerInstance: deps.log.child({}, { serializers: logSerializers }) as FastifyBaseLogger,
    genReqId: newRequestId,
    logController: new LogController({ requestIdLogLabel: 'request_id' }),
    // a record holds the request twice
    bodyLimit: 128 << 10,
    connectionTimeout: silenceMs,
    forceCloseConnections: 'idle',
    // Node and Fastify would answer these by themselves, and not as problem+json
    http: { requireHostHeader: false, headersTimeout: headMs, connectionsCheckingInterval: headMs / 4 },
    clientErrorHandler: refuseOnSocket,
    frameworkErrors: (error, request, reply) => void refuse(request, reply, error),
  })
  app.setValidatorCompiler(validatorCompiler)
  // What the verbs return was made or checked by us; that it fits the schemas is for tests to see, not for every answer.
  app.setSerializerCompiler(() => JSON.stringify)
  wire(app)
  measure(app, deps.metrics)
  trace(app, deps.tracing)
  expect(app)
  pace(app, paceMs)
  requests(app, deps.config)
  guard(app, deps.config)
  json(app)
  keepAnswers(app, deps)
  problems(app)
  documentation(app)
  app.register(async (scope) => mount(scope, deps, ROUTES))
  app.register(async (scope) => {
    await scope.register(multipart)
    // the handler reads the stream itself
    scope.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
    mount(scope, deps, UPLOADS, { streams: true })
  })
  return app
}
