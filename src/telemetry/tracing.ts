/** Traces over processes, for whoever configures a collector; otherwise nothing of it is loaded. */
import type { Config } from '../shared/config.ts'
import type { Span, SpanStart, Tracing } from './span.ts'

const NO_SPAN: Span = { traceparent: undefined, set() {}, end() {} }

export const NO_TRACING: Tracing = { start: () => NO_SPAN, close: async () => {} }

/** `service` names the process. What else OpenTelemetry reads from the environment (OTEL_*), it reads itself. */
export async function openTracing(
  config: Pick<Config, 'OTEL_EXPORTER_OTLP_ENDPOINT'>,
  service: string,
): Promise<Tracing> {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return NO_TRACING
  const { startTracing } = await import('./otel.ts')
  return startTracing(service)
}

/** A span around some work. */
export async function traced<T>(
  { start }: Tracing,
  name: string,
  how: SpanStart,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = start(name, how)
  try {
    const result = await work(span)
    span.end()
    return result
  } catch (error) {
    span.end(error instanceof Error ? error.message : String(error))
    throw error
  }
}
