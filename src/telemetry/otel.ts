/** Spans through OpenTelemetry's own packages, sent in batches to a collector by OTLP over HTTP. */
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { VERSION } from '../shared/version.ts'
import type { Span, SpanStart, Tracing } from './span.ts'

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

export function startTracing(service: string): Tracing {
  const own = resourceFromAttributes({ 'service.name': `fewbit-${service}`, 'service.version': VERSION })
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  const tracer = provider.getTracer('fewbit', VERSION)
  const start = (name: string, { parent, kind = 'internal', attributes = {}, at }: SpanStart = {}): Span => {
    const options = { kind: KINDS[kind], attributes, ...(at !== undefined && { startTime: at }) }
    const span = tracer.startSpan(name, options, contextOf(parent))
    const { traceId, spanId, traceFlags } = span.spanContext()
    return {
      traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
      set: (more) => void span.setAttributes(more),
      end(error) {
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
        span.end()
      },
    }
  }
  return { start, close: () => provider.shutdown().catch(() => {}) }
}

/** What is no traceparent begins a trace. */
function contextOf(parent: string | undefined): Context {
  const found = parent === undefined ? null : parseTraceParent(parent)
  return found ? trace.setSpanContext(ROOT_CONTEXT, { ...found, isRemote: true }) : ROOT_CONTEXT
}
