/** What a job of a service made, into a directory. */
import { relative } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'
import { jobPath, RemoteJob } from './job.ts'
import { askJson } from './request.ts'
import { accessOf } from './settings.ts'
import { fetchFiles, type WatchOptions } from './watch.ts'

export async function fetchJob(id: string, asked: WatchOptions): Promise<void> {
  const access = accessOf(asked.server)
  const job = await askJson(access, jobPath(id), RemoteJob)
  if (job.artifacts.length === 0)
    throw new FewbitError('job_not_finished', `the job ${id} is ${job.status} and has made nothing`, {
      hint: `fewbit watch ${id} follows it to its end`,
    })
  const files = await fetchFiles(access, job, asked.output ?? id, asked)
  console.log(asked.json ? JSON.stringify({ files }) : files.map((path) => relative('.', path)).join('\n'))
}
