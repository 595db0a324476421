/** How runners are confined: the strongest way that works here, found out once at the start; resource limits always. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../src/shared/config.ts'
import type { Box } from './bubblewrap.ts'
import { type Confined, confine, DROPPED, FILTER_FD, giveFilter, KEPT_DOWN, type Tools, type Way } from './confine.ts'
import type { Limits } from './limits.ts'
import { systemCallFilter } from './system-calls.ts'

export interface Sandbox {
  name: 'bubblewrap' | 'rlimits'
  /** what a runner can do that it should not, in words for the operator */
  gaps: string[]
  /** Gives `directory`, with all in it, to whoever will run the command. */
  confine(command: readonly string[], directory: string, limits: Limits): Promise<Confined>
}

const PROBE_LIMITS: Limits = { seconds: 60, memoryBytes: 1 << 30, outputBytes: 1 << 20, threads: 1 }
/** Works like a runner: writes to its directory, reads the program. */
const PROBE = `const fs = require('node:fs')
fs.writeFileSync(require('node:path').resolve('probe'), '')
for (const path of process.argv.slice(1)) fs.accessSync(path, fs.constants.R_OK)`

const isRoot = process.getuid?.() === 0

/**
 * `readable`: files and directories that hold the program; `scratch`: where the jobs' directories will be. Throws when bubblewrap is
 * required and does not work here.
 */
export async function openSandbox(
  mode: Config['SANDBOX'],
  readable: readonly string[],
  scratch = tmpdir(),
): Promise<Sandbox> {
  const tools: Tools = {
    prlimit: await works(['prlimit', '--core=0', '--', 'true']),
    setpriv: await works(['setpriv', ...KEPT_DOWN, '--pdeathsig', 'KILL', 'true']),
    drops: await works(['setpriv', ...DROPPED, 'true']),
  }
  for (const way of waysFor(mode, tools, readable)) {
    const sandbox = sandboxOf(tools, way)
    if (await holds(sandbox, readable, scratch)) return sandbox
  }
  if (mode === 'require') throw new Error('SANDBOX=require, but bubblewrap is missing or cannot make namespaces here')
  return sandboxOf(tools, { box: null, user: 'none' })
}

/** The strongest first. */
function waysFor(mode: Config['SANDBOX'], { drops }: Tools, readable: readonly string[]): Way[] {
  const boxes = mode === 'off' ? [] : boxesOf(readable)
  const asOthers: Way[] = [
    ...boxes.map((box) => ({ box: { ...box, userNamespace: false }, user: 'inside' as const })),
    ...boxes.map((box) => ({ box, user: 'outside' as const })),
  ]
  return [
    ...(isRoot && drops ? asOthers : []),
    ...boxes.map((box) => ({ box, user: 'none' as const })),
    ...(isRoot && drops && mode !== 'require' ? [{ box: null, user: 'outside' as const }] : []),
  ]
}

function boxesOf(readable: readonly string[]): Box[] {
  const filters = systemCallFilter() ? [FILTER_FD, null] : [null]
  return filters.flatMap((filter) =>
    (['own', 'files'] as const).map((proc) => ({ proc, userNamespace: true, readable, filter })),
  )
}

function sandboxOf(tools: Tools, way: Way): Sandbox {
  return {
    name: way.box ? 'bubblewrap' : 'rlimits',
    gaps: gapsOf(tools, way),
    confine: (command, directory, limits) => confine(tools, way, command, directory, limits),
  }
}

function gapsOf(tools: Tools, { box, user }: Way): string[] {
  const gaps = {
    'it can read and write what the user of the worker can': !box && user === 'none',
    'it can read what every user of this machine can': !box && user !== 'none',
    'it can open connections and see the processes of this machine': !box,
    'it stays root, without privileges': isRoot && user === 'none',
    'its system calls are not filtered': box?.filter === null,
    'what it leaves running is not found, because prlimit is missing': !box && !tools.prlimit,
  }
  return Object.entries(gaps).flatMap(([gap, is]) => (is ? [gap] : []))
}

async function holds(sandbox: Sandbox, readable: readonly string[], scratch: string): Promise<boolean> {
  const directory = await mkdtemp(join(scratch, 'probe-'))
  try {
    const command = [process.execPath, '-e', PROBE, ...readable]
    const confined = await sandbox.confine(command, directory, PROBE_LIMITS)
    return await works(confined.command, directory, confined.filter).finally(confined.end)
  } catch {
    return false
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function works([file, ...args]: readonly string[], cwd?: string, filter: Uint8Array | null = null): Promise<boolean> {
  return new Promise((resolve) => {
    const stdio = ['ignore', 'ignore', 'ignore', 'ignore', filter ? 'pipe' : 'ignore'] as const
    const child = spawn(file!, args, { stdio: [...stdio], cwd })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
    if (filter) giveFilter(child, filter)
  })
}
