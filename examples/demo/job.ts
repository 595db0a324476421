/** What the demo reads of a job; the whole is described in openapi.yaml. */
import type { Metrics } from '../../src/contract/report.ts'

export interface Job {
  id: string
  status: string
  sandbox: string | null
  metrics: Metrics | null
  artifacts: { id: string; name: string; size_bytes: number }[]
  warnings: { code: string; detail: string }[]
  error: { code: string; detail: string; hint: string | null } | null
}
