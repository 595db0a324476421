/** How a runner is confined: bubblewrap where it works, resource limits always, found out once at the start. */
import { spawn } from 'node:child_process'
import type { Config } from '../../src/shared/config.ts'
import type { Limits } from './limits.ts'

export interface Sandbox {
  name: 'bubblewrap' | 'rlimits'
  /** The command line that runs `command` confined to `directory`. */
  confine(command: readonly string[], directory: string, limits: Limits): string[]
}

interface Tools {
  prlimit: boolean
  setpriv: boolean
}

interface Box {
  /** how `/proc` is made inside */
  proc: readonly string[]
  readable: readonly string[]
}

const LIBRARIES = ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/usr/local/lib']
/** ONNX Runtime reads the processor's topology there */
const TOPOLOGY = ['/sys/devices/system/cpu', '/sys/devices/system/node']
const NAMESPACES = ['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL']
/**
 * Where a container hides parts of its /proc, no new one may be mounted. Then a few harmless files of it must do: the rest would show the
 * environment of the worker.
 */
const PROCS: readonly (readonly string[])[] = [
  ['--proc', '/proc'],
  ['/proc/cpuinfo', '/proc/meminfo', '/proc/stat'].flatMap((path) => ['--ro-bind-try', path, path]),
]
const SCRATCH_BYTES = 64 << 20
const PROBE_LIMITS: Limits = { seconds: 60, memoryBytes: 1 << 30, outputBytes: 1 << 20, threads: 1 }

/** `readable`: files and directories that hold the program. Throws when bubblewrap is required and does not work here. */
export async function openSandbox(mode: Config['SANDBOX'], readable: readonly string[]): Promise<Sandbox> {
  const tools: Tools = {
    prlimit: await works(['prlimit', '--core=0', '--', 'true']),
    setpriv: await works(['setpriv', '--pdeathsig', 'KILL', 'true']),
  }
  const boxed = mode === 'off' ? [] : PROCS.map((proc) => sandboxOf(tools, { proc, readable }))
  for (const sandbox of boxed)
    if (await works(sandbox.confine([process.execPath, '--version'], import.meta.dirname, PROBE_LIMITS))) return sandbox
  if (mode === 'require') throw new Error('SANDBOX=require, but bubblewrap is missing or cannot make namespaces here')
  return sandboxOf(tools, null)
}

function sandboxOf(tools: Tools, box: Box | null): Sandbox {
  return {
    name: box ? 'bubblewrap' : 'rlimits',
    confine: (command, directory, limits) => [
      ...(tools.prlimit ? prlimit(limits) : []),
      ...(tools.setpriv ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []),
      ...(box ? bwrap(directory, box) : []),
      ...command,
    ],
  }
}

/**
 * Backstops behind what the supervisor measures. The data limit counts writable private memory, so that an absurd allocation fails
 * cleanly; the address space is not limited, because node and ONNX Runtime reserve far more of it than they use.
 */
function prlimit({ seconds, memoryBytes, outputBytes, threads }: Limits): string[] {
  const cpu = seconds * (threads + 2)
  const limits = {
    core: 0,
    nofile: 1024,
    fsize: outputBytes,
    cpu: `${cpu}:${cpu + 5}`,
    data: 2 * memoryBytes + (1 << 30),
  }
  return ['prlimit', ...Object.entries(limits).map(([name, value]) => `--${name}=${value}`), '--']
}

function bwrap(directory: string, { proc, readable }: Box): string[] {
  const shown = [...LIBRARIES, ...TOPOLOGY, process.execPath, ...readable]
  return [
    'bwrap',
    ...NAMESPACES,
    // first of all, because the program itself may lie below /tmp
    ...proc,
    ...['--dev', '/dev', '--size', String(SCRATCH_BYTES), '--tmpfs', '/tmp'],
    ...shown.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--bind', directory, directory, '--chdir', directory, '--'],
  ]
}

function works([file, ...args]: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(file!, args, { stdio: 'ignore' })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}
