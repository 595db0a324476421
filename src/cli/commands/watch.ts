/** `fewbit watch`: a job of a service to its end, and its result as `fewbit quantize` would show it. */
import type { Command } from 'commander'
import { Report } from '../../contract/report.ts'
import type { checkGoals } from '../../jobs/attempt/check-goals.ts'
import { FewbitError, isErrorCode } from '../../shared/errors.ts'
import { EXIT, Interrupted } from '../failure.ts'
import { watchInterrupts } from '../interrupts.ts'
import { progressOn, silent } from '../progress.ts'
import { download } from '../remote/download.ts'
import { follow } from '../remote/follow.ts'
import { jobPath, type RemoteJob } from '../remote/job.ts'
import { askJson } from '../remote/request.ts'
import { type Access, accessOf } from '../remote/settings.ts'
import { styled } from '../style.ts'
import { summary } from '../summary.ts'
import { JSON_OPTION, type JsonOption, type State } from './command.ts'
import { addServer, type ServerOption } from './server-options.ts'

const EXAMPLES = `
Ctrl-C ends the watching, not the job.

Examples:
  $ fewbit watch job_01K...                      to its end, with progress
  $ fewbit watch job_01K... -o quantized         and downloads what it made
  $ fewbit watch job_01K... --json -q | jq .metrics.fidelity

Exit codes: 0 the job succeeded, 1 it did not, 2 wrong usage, 3 it succeeded but missed a goal.`

export interface WatchOptions extends ServerOption, JsonOption {
  output?: string
  force?: boolean
  quiet?: boolean
}

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
    .action((id: string, asked: WatchOptions) => watchJob(id, asked, state))
}

export async function watchJob(id: string, asked: WatchOptions, state: State): Promise<void> {
  const access = accessOf(asked.server)
  const job = await followed(access, id, asked.quiet ?? false)
  requireSuccess(job)
  const files = asked.output === undefined ? [] : await fetchFiles(access, job, asked.output, asked)
  if (job.warnings.some(({ code }) => code === 'goal_not_met')) state.exitCode = EXIT.missed
  console.log(asked.json ? JSON.stringify({ ...job, files }, null, 1) : await describe(access, job, files))
}

async function followed(access: Access, id: string, isQuiet: boolean): Promise<RemoteJob> {
  const view = isQuiet ? silent : progressOn(process.stderr)
  const stop = new AbortController()
  const interrupts = watchInterrupts(() => stop.abort(EXIT_OF_CTRL_C))
  const signal = AbortSignal.any([stop.signal, interrupts.signal])
  try {
    return await follow(access, id, view, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    view.clear()
    console.error(styled(process.stderr, 'yellow', `the job goes on; fewbit watch ${id} follows it again`))
    throw new Interrupted(Number(signal.reason))
  } finally {
    view.clear()
    interrupts.close()
  }
}

const EXIT_OF_CTRL_C = 130

export async function fetchFiles(
  access: Access,
  job: RemoteJob,
  output: string,
  { force, quiet }: Pick<WatchOptions, 'force' | 'quiet'>,
): Promise<string[]> {
  const view = quiet ? silent : progressOn(process.stderr)
  return download(access, job, { output, overwrite: force ?? false }, view).finally(view.clear)
}

function requireSuccess({ id, status, error }: RemoteJob): void {
  if (status === 'succeeded') return
  const { code = status, detail = `the job ${id} is ${status}`, hint, stage } = error ?? {}
  throw new FewbitError(isErrorCode(code) ? code : 'canceled', detail, {
    hint: hint ?? undefined,
    stage: stage ?? undefined,
  })
}

async function describe(access: Access, { id, warnings }: RemoteJob, files: string[]): Promise<string> {
  const headers = { accept: 'application/json' }
  const report = await askJson(access, `${jobPath(id)}/report`, Report, { headers })
  const missed = warnings.filter(({ code }) => code === 'goal_not_met')
  return summary({ report, files }, missed as ReturnType<typeof checkGoals>, process.stdout)
}
