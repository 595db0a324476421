/** `fewbit submit`: the job of `fewbit quantize`, done by a service. */
import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { count, positive } from '../arguments.ts'
import { type ProgressView, progressOn, silent } from '../progress.ts'
import { type Asked as AskedOfOne, requireTogether } from '../quantize-options.ts'
import { Created } from '../remote/job.ts'
import { createJobRequest } from '../remote/job-request.ts'
import { askJson } from '../remote/request.ts'
import { type Access, accessOf } from '../remote/settings.ts'
import { styled } from '../style.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addData } from './data-options.ts'
import { addGoals, addMethod, addTarget, goalsOf } from './recipe-options.ts'
import { addServer, type ServerOption } from './server-options.ts'
import { watchJob } from './watch.ts'

const EXAMPLES = `
Files that the service has already are not stored twice.

Examples:
  $ fewbit submit model.onnx --calibration data.npz                                prints the job's id
  $ fewbit submit model.onnx -c data.npz --watch -o quantized                      follows it to its end and downloads
  $ fewbit submit model.onnx -m dynamic --server https://fewbit.example --json | jq -r .id`

export interface Asked extends AskedOfOne, ServerOption {
  watch?: boolean
}

export function addSubmit(program: Command, state: State): void {
  const command = program
    .command('submit')
    .summary('let a service quantize a model')
    .description('Uploads a model and its data to a service, and starts a job there.')
    .argument('<model>', 'the ONNX file, external data beside it')
  addTarget(addServer(command).optionsGroup('What to make:'))
  addMethod(command)
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
    .action((model: string, asked: Asked) => submit(model, asked, state))
}

async function submit(model: string, asked: Asked, state: State): Promise<void> {
  requireTogether(asked)
  const access = accessOf(asked.server)
  const view = asked.quiet ? silent : progressOn(process.stderr)
  const id = await start(access, model, asked, view).finally(view.clear)
  if (asked.watch) return watchJob(id, { ...asked, output: asked.output ?? id }, state)
  if (asked.json) return console.log(JSON.stringify({ id, server: access.server }))
  console.log(id)
  console.error(styled(process.stderr, 'dim', `fewbit watch ${id}`))
}

async function start(access: Access, model: string, asked: Asked, view: ProgressView): Promise<string> {
  const request = await createJobRequest(access, model, asked, goalsOf(asked), view)
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() }
  const { id } = await askJson(access, '/v1/jobs', Created, { method: 'POST', headers, body: JSON.stringify(request) })
  return id
}
