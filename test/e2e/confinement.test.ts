/** A worker without bubblewrap: required, it runs nothing and /readyz says why; otherwise it says once what is missing. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { call, finished, startJob } from '../kit/client.ts'
import { startService } from '../kit/service.ts'

/** directory with all programs that a worker starts but bubblewrap */
let programs: string
before(async () => {
  programs = join(await mkdtemp(join(tmpdir(), 'fewbit-path-')), 'bin')
  await mkdir(programs)
  for (const name of ['prlimit', 'setpriv', 'sh', 'rm', 'chmod', 'true', 'redis-server'])
    await symlink(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(programs, name))
})
after(() => rm(join(programs, '..'), { recursive: true }))

const readiness = async (url: string) => {
  const { status, body } = await call<{ checks: Record<string, { ok: boolean; detail: string }> }>(`${url}/readyz`)
  return { status, sandbox: body.checks.sandbox }
}

test('required and missing: no worker, and readiness says why until one works', async (t) => {
  const service = await startService({}, ['api'])
  t.after(() => service.close())
  assert.deepEqual(await readiness(service.url), { status: 200, sandbox: { ok: true, detail: 'ok' } })
  await assert.rejects(service.start('worker', { PATH: programs, SANDBOX: 'require' }), /SANDBOX=require/)
  const { status, sandbox } = await readiness(service.url)
  assert.equal(status, 503)
  assert.match(sandbox!.detail, /bubblewrap does not work/)
  await service.start('worker', { SANDBOX: 'off' })
  assert.equal((await readiness(service.url)).status, 200)
})

test('a fallback is logged once, loudly, and the job says it', async (t) => {
  const service = await startService({ PATH: programs, LOG_LEVEL: 'info' })
  t.after(() => service.close())
  const jobs = await Promise.all([startJob(service.url), startJob(service.url)])
  for (const { id } of jobs) {
    const job = await finished(service.url, id)
    assert.deepEqual([job.status, job.sandbox], ['succeeded', 'rlimits'], JSON.stringify(job.error))
  }
  const warnings = service
    .log()
    .split('\n')
    .filter((line) => /confined badly/.test(line))
  assert.equal(warnings.length, 1, service.log())
  assert.match(warnings[0]!, /"level":40.*open connections/)
})
