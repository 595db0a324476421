// What a run has written into a folder for transformers.js.
import type { PlanDocument, Report } from '../../contract/report.ts'
import type { Dtype } from './dtypes.ts'

export interface Hashed {
  /** relative to the folder */
  file: string
  sha256: string
}

export interface Row extends Hashed {
  model: string
  dtype: Dtype
  report: Report
  plan: PlanDocument
}

export interface Written {
  float: Hashed[]
  rows: Row[]
  missing: { model: string; dtype: Dtype; reason: string }[]
}
