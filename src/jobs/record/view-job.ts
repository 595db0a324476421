/** The job as the outside sees it: the record without what is ours. */
import type { JobRecord } from './job.ts'

export interface JobView extends Omit<JobRecord, 'owner' | 'inputs' | 'version'> {
  links: Record<'self' | 'events' | 'cancel' | 'artifacts' | 'report', string>
}

export function viewJob({ owner: _owner, inputs: _inputs, version: _version, ...visible }: JobRecord): JobView {
  const self = `/v1/jobs/${visible.id}`
  const links = {
    self,
    events: `${self}/events`,
    cancel: `${self}/cancel`,
    artifacts: `${self}/artifacts`,
    report: `${self}/report`,
  }
  return { ...visible, links }
}
