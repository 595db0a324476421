/** From the words of `fewbit submit` to a job of a service. */
import { randomUUID } from 'node:crypto'
import type { State } from '../commands/command.ts'
import { goalsOf } from '../commands/recipe-options.ts'
import type { ServerOption } from '../commands/server-options.ts'
import { type ProgressView, progressOn, silent } from '../progress.ts'
import { type Asked as AskedOfOne, requireTogether } from '../quantize-options.ts'
import { styled } from '../style.ts'
import { Created } from './job.ts'
import { createJobRequest } from './job-request.ts'
import { askJson } from './request.ts'
import { type Access, accessOf } from './settings.ts'
import { watchJob } from './watch.ts'

export interface Asked extends AskedOfOne, ServerOption {
  watch?: boolean
}

export async function submit(model: string, asked: Asked, state: State): Promise<void> {
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
