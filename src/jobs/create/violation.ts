/** What can be wrong with a job request, and all that a check may look at. */
import type { DatasetRecord } from '../../datasets/dataset.ts'
import type { Target } from '../../engine/targets/target.ts'
import type { ModelRecord } from '../../models/model.ts'
import type { Config } from '../../shared/config.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { JobRequest } from '../record/job.ts'

export interface Violation {
  /** JSON pointer into the request */
  pointer: string
  code: ErrorCode
  detail: string
}

/** The request with everything it names; null = named, but not there, or not named. */
export interface Subject {
  config: Pick<Config, 'WEBHOOK_ALLOW_PRIVATE'>
  request: JobRequest
  target: Target
  model: ModelRecord | null
  calibration: DatasetRecord | null
  training: DatasetRecord | null
  evaluation: DatasetRecord | null
}
