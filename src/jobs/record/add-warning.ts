/** Adds a warning to a running job. */

import type { Warning } from '../../contract/report.ts'
import type { Deps } from '../../deps.ts'
import { changeAttempt } from '../attempt/attempt.ts'
import type { Claim } from '../attempt/claim-job.ts'

const MAX_WARNINGS = 100

/** Warnings past the hundredth are dropped. */
export async function addWarning(deps: Deps, claim: Claim, warning: Warning): Promise<void> {
  await changeAttempt(deps, claim, ({ warnings }) =>
    warnings.length >= MAX_WARNINGS
      ? null
      : { patch: { warnings: [...warnings, warning] }, event: { type: 'job.warning', data: { ...warning } } },
  )
}
