/** Spans of a trace, as the service makes them. */

export type Attributes = Record<string, string | number | boolean>

export interface SpanStart {
  /** W3C traceparent of the span that caused this one */
  parent?: string | undefined
  kind?: 'internal' | 'server' | 'producer' | 'consumer'
  attributes?: Attributes
  /** milliseconds of the clock; now by default */
  at?: number
}

export interface Span {
  /** for spans that this one causes, here or elsewhere */
  traceparent: string | undefined
  set(attributes: Attributes): void
  /** `error`: a word about what went wrong */
  end(error?: string): void
}

export interface Tracing {
  start(name: string, how?: SpanStart): Span
  /** Sends what is left. */
  close(): Promise<void>
}
