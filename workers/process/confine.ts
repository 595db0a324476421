/** One run of a command, confined in a way that works here: its command line, its user, and what ends it. */
import type { ChildProcess } from 'node:child_process'
import type { Writable } from 'node:stream'
import { type Box, bubblewrap } from './bubblewrap.ts'
import { type Limits, maxProcesses } from './limits.ts'
import { endMarked, type Marks, newMark } from './marks.ts'
import { systemCallFilter } from './system-calls.ts'
import { giveTo, removeFilesOf, returnUser, takeUser } from './users.ts'

export interface Way {
  /** null: no walls, only limits */
  box: Box | null
  /** `outside`: changed before bubblewrap starts; `inside`: bubblewrap needs root for its walls, and the user is changed in it. */
  user: 'outside' | 'inside' | 'none'
}

export interface Tools {
  prlimit: boolean
  setpriv: boolean
  /** whether setpriv may take every privilege from root */
  drops: boolean
}

export interface Confined {
  command: string[]
  /** for `giveFilter`, if there is one */
  filter: Uint8Array | null
  marks: Marks
  /** Kills and removes what is left of it; to be called once, when the command has ended. */
  end(): Promise<void>
}

/** The descriptor from which bubblewrap reads the filter of system calls. */
export const FILTER_FD = 4
export const KEPT_DOWN = ['--inh-caps=-all', '--no-new-privs']
export const DROPPED = ['--bounding-set=-all', ...KEPT_DOWN]

/** Gives `directory`, with all in it, to whoever will run the command. */
export async function confine(
  tools: Tools,
  way: Way,
  command: readonly string[],
  directory: string,
  limits: Limits,
): Promise<Confined> {
  const user = way.user === 'none' ? null : await takeUser()
  if (user !== null) await giveTo(user, directory)
  const limit = way.box || !tools.prlimit ? null : newMark()
  const marks = { limit, user }
  return {
    command: [...outside(tools, way, limits, marks), ...inside(way, directory, user), ...command],
    filter: way.box?.filter === FILTER_FD ? systemCallFilter() : null,
    marks: way.box ? { limit: null, user: null } : marks,
    async end() {
      if (limit !== null) await endMarked(limit)
      if (user === null) return
      if (!way.box) await removeFilesOf(user)
      returnUser(user)
    },
  }
}

/** Bubblewrap reads the filter to its end before it starts the command. */
export function giveFilter(child: ChildProcess, filter: Uint8Array): void {
  const pipe = child.stdio[FILTER_FD] as Writable
  pipe.on('error', () => {}).end(filter)
}

function outside(tools: Tools, { box, user: change }: Way, limits: Limits, marks: Marks): string[] {
  const without = tools.drops ? DROPPED : KEPT_DOWN
  // A bubblewrap that is setuid root must get new privileges; it gives them up itself.
  const setpriv = ['--pdeathsig', 'KILL', ...(change === 'outside' ? asUser(marks.user!) : []), ...(box ? [] : without)]
  return [...(tools.prlimit ? prlimit(limits, marks) : []), ...(tools.setpriv ? ['setpriv', ...setpriv, '--'] : [])]
}

function inside({ box, user: change }: Way, directory: string, user: number | null): string[] {
  if (!box) return []
  const command = bubblewrap(directory, box, change === 'inside')
  return change === 'inside' ? [...command, 'setpriv', ...asUser(user!), ...DROPPED, '--'] : command
}

const asUser = (user: number): string[] => [`--reuid=${user}`, `--regid=${user}`, '--clear-groups']

/**
 * Backstops behind what the supervisor measures. The data limit counts writable private memory, so that an absurd allocation fails
 * cleanly; the address space is not limited, because node and ONNX Runtime reserve far more of it than they use.
 */
function prlimit({ seconds, memoryBytes, outputBytes, threads }: Limits, marks: Marks): string[] {
  const cpu = seconds * (threads + 2)
  const limits = {
    core: 0,
    nofile: 1024,
    fsize: outputBytes,
    cpu: `${cpu}:${cpu + 5}`,
    data: 2 * memoryBytes + (1 << 30),
    msgqueue: 0,
    // counted over all processes of a user, so that it means something only where the user is the job's own
    ...(marks.user !== null && { nproc: maxProcesses({ threads }) }),
    ...(marks.limit !== null && { locks: marks.limit }),
  }
  return ['prlimit', ...Object.entries(limits).map(([name, value]) => `--${name}=${value}`), '--']
}
