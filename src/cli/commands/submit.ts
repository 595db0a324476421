/** `fewbit submit`: the job of `fewbit quantize`, done by a service. */
import type { Command } from 'commander'
import { count, positive } from '../arguments.ts'
import type { Asked } from '../remote/submit.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addData } from './data-options.ts'
import { addFormat, addGoals, addMethod, addTarget } from './recipe-options.ts'
import { addServer } from './server-options.ts'

const EXAMPLES = `
Files that the service has already are not stored twice.

Examples:
  $ fewbit submit model.onnx --calibration data.npz                                prints the job's id
  $ fewbit submit model.onnx -c data.npz --watch -o quantized                      follows it to its end and downloads
  $ fewbit submit model.onnx -m dynamic --server https://fewbit.example --json | jq -r .id`

export function addSubmit(program: Command, state: State): void {
  const command = program
    .command('submit')
    .summary('let a service quantize a model')
    .description('Uploads a model and its data to a service, and starts a job there.')
    .argument('<model>', 'the ONNX file, external data beside it')
  addTarget(addServer(command).optionsGroup('What to make:'))
  addMethod(command)
  addFormat(command)
  addData(command)
  addGoals(command)
  command
    .optionsGroup('Run:')
    .option('-w, --watch', 'follow the job to its end and download what it made')
    .option('-o, --output <directory>', 'with --watch: where the files go; the id of the job by default')
    .option('-f, --force', 'replace the files of an earlier run there')
    .option('--max-seconds <seconds>', 'that the job may run', positive)
    .option('--seed <number>', 'of everything that is drawn', count)
    .option('-q, --quiet', 'no progress')
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, asked: Asked) => {
      const { submit } = await import('../remote/submit.ts')
      return submit(model, asked, state)
    })
}
