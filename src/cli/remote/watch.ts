/** A job of a service to its end, and its result as `fewbit quantize` would show it. */
import { Report, Warning } from '../../contract/report.ts'
import { FewbitError, isErrorCode } from '../../shared/errors.ts'
import type { JsonOption, State } from '../commands/command.ts'
import type { ServerOption } from '../commands/server-options.ts'
import { EXIT, Interrupted } from '../failure.ts'
import { watchInterrupts } from '../interrupts.ts'
import { progressOn, silent } from '../progress.ts'
import { styled } from '../style.ts'
import { summary } from '../summary.ts'
import { download } from './download.ts'
import { follow } from './follow.ts'
import { jobPath, type RemoteJob } from './job.ts'
import { askJson } from './request.ts'
import { type Access, accessOf } from './settings.ts'

export interface WatchOptions extends ServerOption, JsonOption {
  output?: string
  force?: boolean
  quiet?: boolean
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
  return summary(
    { report, files },
    missed.map((one) => Warning.parse(one)),
    process.stdout,
  )
}
