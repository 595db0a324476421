/** What ties the lines and spans of all processes to the request that caused them. */

export interface Correlation {
  request_id: string
  /** W3C Trace Context: the span that caused what follows; absent where nothing is traced */
  traceparent?: string | undefined
}
