/** Child processes that are kept alive: restarted with growing pauses when they die, stopped together, gone when we are gone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

export interface Member {
  name: string
  /** asked before every start */
  command: () => string[]
  env: () => NodeJS.ProcessEnv
  /** called with what the child writes to standard output */
  onOutput?: (text: string) => void
}

export interface Family {
  start(member: Member): void
  /** Ends the members in reverse order of their start; a member that does not end in time is killed. */
  stop(): Promise<void>
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 10_000
/** a child that lived so long starts again without a long pause */
const HEALTHY_MS = 30_000
const TERM_MS = 25_000

interface Running {
  member: Member
  child: ChildProcess | null
  pause: number
}

/** `warn` is told of every death. */
export function openFamily(warn: (text: string) => void): Family {
  const members: Running[] = []
  const leash =
    spawnSync('setpriv', ['--pdeathsig', 'TERM', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'TERM', '--'] : []
  let stopping = false
  const run = (running: Running): void => {
    const [file, ...args] = [...leash, ...running.member.command()]
    const since = Date.now()
    const child = spawn(file!, args, {
      env: running.member.env(),
      stdio: ['ignore', running.member.onOutput ? 'pipe' : 'inherit', 'inherit'],
      detached: true,
    })
    running.child = child
    child.stdout?.setEncoding('utf8').on('data', running.member.onOutput!)
    child.once('error', (error) => warn(`${running.member.name} does not start: ${error.message}`))
    child.once('exit', async (code, signal) => {
      running.child = null
      if (stopping) return
      warn(`${running.member.name} ended with ${signal ?? `exit code ${code}`}; it is started again`)
      running.pause = Date.now() - since > HEALTHY_MS ? FIRST_PAUSE_MS : Math.min(2 * running.pause, LONGEST_PAUSE_MS)
      await delay(running.pause)
      if (!stopping) run(running)
    })
  }
  return {
    start(member) {
      const running = { member, child: null, pause: FIRST_PAUSE_MS / 2 }
      members.push(running)
      run(running)
    },
    async stop() {
      stopping = true
      const [first, ...others] = members
      await Promise.all(others.map(({ child }) => end(child)))
      await end(first?.child ?? null)
    },
  }
}

async function end(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const late = delay(TERM_MS, 'late', { ref: false })
  if ((await Promise.race([gone, late])) === 'late') child.kill('SIGKILL')
  await gone
}
