/** Which jobs train, so that stopping one early leaves something worth keeping. */
import type { JobRequest } from '../record/job.ts'

export const trains = ({ method }: JobRequest): boolean =>
  method.type === 'qat' || (method.type === 'static' && method.refine !== false)
