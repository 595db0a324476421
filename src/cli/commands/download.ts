/** `fewbit download`: what a job of a service made. */
import { relative } from 'node:path'
import type { Command } from 'commander'
import { FewbitError } from '../../shared/errors.ts'
import { jobPath, RemoteJob } from '../remote/job.ts'
import { askJson } from '../remote/request.ts'
import { accessOf } from '../remote/settings.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addServer } from './server-options.ts'
import { fetchFiles, type WatchOptions } from './watch.ts'

const EXAMPLES = `
Each file is checked by its SHA-256; broken transfers are continued.

Examples:
  $ fewbit download job_01K...
  $ fewbit download job_01K... -o quantized --force`

export function addDownload(program: Command, _: State): void {
  const command = program
    .command('download')
    .summary("fetch what a service's job made")
    .description('Downloads the artifacts of a job: the model, its report and its plan.')
    .argument('<job>', 'its id')
  addServer(command)
    .option('-o, --output <directory>', 'where the files go; the id of the job by default')
    .option('-f, --force', 'replace the files of an earlier download there')
    .option('-q, --quiet', 'no progress')
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(fetchJob)
}

async function fetchJob(id: string, asked: WatchOptions): Promise<void> {
  const access = accessOf(asked.server)
  const job = await askJson(access, jobPath(id), RemoteJob)
  if (job.artifacts.length === 0)
    throw new FewbitError('job_not_finished', `the job ${id} is ${job.status} and has made nothing`, {
      hint: `fewbit watch ${id} follows it to its end`,
    })
  const files = await fetchFiles(access, job, asked.output ?? id, asked)
  console.log(asked.json ? JSON.stringify({ files }) : files.map((path) => relative('.', path)).join('\n'))
}
