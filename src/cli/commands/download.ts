/** `fewbit download`: what a job of a service made. */
import type { Command } from 'commander'
import type { WatchOptions } from '../remote/watch.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addServer } from './server-options.ts'

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
    .action(async (id: string, asked: WatchOptions) => {
      const { fetchJob } = await import('../remote/fetch-job.ts')
      return fetchJob(id, asked)
    })
}
