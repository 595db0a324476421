/** Runs a script in a sandbox, as a runner that obeys an attacker. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { giveFilter } from '../../workers/process/confine.ts'
import type { Limits } from '../../workers/process/limits.ts'
import type { Sandbox } from '../../workers/process/sandbox.ts'

export const CONFINED_LIMITS: Limits = { seconds: 20, memoryBytes: 1 << 30, outputBytes: 1 << 20, threads: 1 }

export interface Answer {
  /** what it printed */
  said: string
  /** who the machine says it was: the owner of a file that it wrote */
  user: number
}

/** The script is Node's, with `fs` and `attempt(f)`, which is what f returns or the code of its error. It prints `answer`. */
export async function confined(sandbox: Sandbox, script: string): Promise<Answer> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-sandbox-'))
  const program = `const fs = require('fs'); fs.writeFileSync('mine', '')
    const attempt = (f) => { try { return f() ?? 'done' } catch (e) { return e.code ?? e.message } }
    const answer = (value) => { fs.writeSync(1, JSON.stringify(value)); process.exit() }
    ${script}`
  const run = await sandbox.confine([process.execPath, '-e', program], directory, CONFINED_LIMITS)
  try {
    const [file, ...args] = run.command
    const stdio = ['ignore', 'pipe', 'inherit', 'ignore', run.filter ? 'pipe' : 'ignore'] as const
    const child = spawn(file!, args, { cwd: directory, env: { PATH: '/usr/bin:/bin' }, stdio: [...stdio] })
    if (run.filter) giveFilter(child, run.filter)
    const said = await text(child.stdout!)
    return { said, user: (await stat(join(directory, 'mine'))).uid }
  } finally {
    await run.end()
    await rm(directory, { recursive: true, force: true })
  }
}
