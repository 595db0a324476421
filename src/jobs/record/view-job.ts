/** The job as the outside sees it: the record without what is ours. */
import type { JobRecord } from './job.ts'

type Links = Record<'self' | 'events' | 'cancel' | 'retry' | 'artifacts' | 'report', string>

type Ours = 'owner' | 'inputs' | 'version' | 'webhook_secret' | 'correlation'

export interface JobView extends Omit<JobRecord, Ours> {
  links: Links
}

export function viewJob(job: JobRecord): JobView {
  const {
    owner: _owner,
    inputs: _inputs,
    version: _version,
    webhook_secret: _secret,
    correlation: _correlation,
    ...visible
  } = job
  return { ...visible, links: linksOf(visible.id) }
}

export function linksOf(id: string): Links {
  const self = `/v1/jobs/${id}`
  return {
    self,
    events: `${self}/events`,
    cancel: `${self}/cancel`,
    retry: `${self}/retry`,
    artifacts: `${self}/artifacts`,
    report: `${self}/report`,
  }
}
