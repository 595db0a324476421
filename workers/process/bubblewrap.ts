/** The command line of bubblewrap for one job: what the runner sees, and nothing else. */

export interface Box {
  /** how `/proc` is made inside */
  proc: 'own' | 'files'
  /** Whether a user namespace is made, or the privileges of root make the others. */
  userNamespace: boolean
  /** files and directories that hold the program */
  readable: readonly string[]
  /** descriptor of the filter of system calls; null where there is none */
  filter: number | null
}

/** The job's own directory, inside. */
const HOME = '/job'
const LIBRARIES = ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/usr/local/lib']
const PROGRAMS = ['/usr/bin/setpriv', '/bin/setpriv']
/** ONNX Runtime reads the processor's topology there */
const TOPOLOGY = ['/sys/devices/system/cpu', '/sys/devices/system/node']
const NAMESPACES = ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try']
/** For setpriv, which gives them up with the user; no directory of the job's user is open to root without one. */
const TO_CHANGE_USER = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_DAC_READ_SEARCH']
/**
 * Where a container hides parts of its /proc, no new one may be mounted. Then a few harmless files of it must do: the rest would show the
 * environment of the worker.
 */
const PROCS: Record<Box['proc'], readonly string[]> = {
  own: ['--proc', '/proc'],
  files: ['/proc/cpuinfo', '/proc/meminfo', '/proc/stat'].flatMap((path) => ['--ro-bind-try', path, path]),
}

export function bubblewrap(directory: string, box: Box, keepsPrivileges: boolean): string[] {
  return [
    'bwrap',
    ...(box.userNamespace ? ['--unshare-user'] : []),
    ...NAMESPACES,
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
    ...(keepsPrivileges ? TO_CHANGE_USER.flatMap((name) => ['--cap-add', name]) : []),
    ...(box.filter === null ? [] : ['--seccomp', String(box.filter)]),
    ...PROCS[box.proc],
    ...['--dev', '/dev'],
    ...[...LIBRARIES, ...TOPOLOGY, ...PROGRAMS, process.execPath, ...box.readable].flatMap(show),
    ...['--bind', directory, HOME, '--chdir', HOME],
    // Nothing but the job's directory is written to, so that what a job writes can be counted.
    ...(box.proc === 'own' ? ['--remount-ro', '/proc'] : []),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--'],
  ]
}

/** The directories above it are made first, because bubblewrap would give them the mode of the last. */
function show(path: string): string[] {
  const parts = path.split('/').slice(1, -1)
  const above = parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)
  return [...above.flatMap((one) => ['--perms', '0755', '--dir', one]), '--ro-bind-try', path, path]
}
