/** `fewbit watch`: a job of a service to its end. */
import type { Command } from 'commander'
import type { WatchOptions } from '../remote/watch.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addServer } from './server-options.ts'

const EXAMPLES = `
Ctrl-C ends the watching, not the job.

Examples:
  $ fewbit watch job_01K...                      to its end, with progress
  $ fewbit watch job_01K... -o quantized         and downloads what it made
  $ fewbit watch job_01K... --json -q | jq .metrics.fidelity

Exit codes: 0 the job succeeded, 1 it did not, 2 wrong usage, 3 it succeeded but missed a goal.`

export function addWatch(program: Command, state: State): void {
  const command = program
    .command('watch')
    .summary("follow a service's job to its end")
    .description('Follows a job of a service, through restarts of either side, and tells what came out.')
    .argument('<job>', 'its id')
  addServer(command)
    .option('-o, --output <directory>', 'download what the job made into it')
    .option('-f, --force', 'replace the files of an earlier run there')
    .option('-q, --quiet', 'no progress')
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (id: string, asked: WatchOptions) => {
      const { watchJob } = await import('../remote/watch.ts')
      return watchJob(id, asked, state)
    })
}
