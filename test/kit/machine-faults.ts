/** Faults of machines and processes under a running service: each strikes at once and is healed later. */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { descendantsOf } from './processes.ts'
import type { ProcessName, Service } from './service.ts'

export interface Ground {
  service: Service
  /** DATA_DIR of the service */
  data: string
}

export interface MachineFault {
  strike(ground: Ground): Promise<unknown> | unknown
  heal(ground: Ground): Promise<unknown> | unknown
}

const kill = (name: ProcessName): MachineFault => ({
  strike: ({ service }) => service.kill(name),
  heal: ({ service }) => service.start(name),
})

const storeOf = ({ data }: Ground): string => join(data, 'store')
const awayOf = ({ data }: Ground): string => join(data, 'store-away')
const fillingOf = ({ data }: Ground): string => join(data, 'filling')

/** Those that need nothing of the machine. */
export const FAULTS: Readonly<Record<string, MachineFault>> = {
  'kill -9 of the API': kill('api'),
  'kill -9 of the worker': kill('worker'),
  'kill -9 of the sender of webhooks': kill('notify'),
  'kill -9 of the runner': { strike: killRunner, heal() {} },
  'kill -9 of Redis, which comes back at once': {
    strike: ({ service }) => service.redis.kill('SIGKILL'),
    heal: ({ service }) => service.redis.start(),
  },
  'a Redis that is there and does not answer': {
    strike: ({ service }) => service.redis.signal('SIGSTOP'),
    heal: ({ service }) => service.redis.signal('SIGCONT'),
  },
  'a store that is away': {
    strike: (ground) => renameSync(storeOf(ground), awayOf(ground)),
    heal: (ground) => renameSync(awayOf(ground), storeOf(ground)),
  },
}

/** For a DATA_DIR that `smallDisk` made. */
export const DISK_FULL: MachineFault = {
  strike: (ground) => fill(fillingOf(ground)),
  heal: (ground) => rmSync(fillingOf(ground)),
}

/** Nothing happens where none runs. */
async function killRunner({ service }: Ground): Promise<void> {
  const runner = (await descendantsOf(service.pid('worker'))).at(-1)
  if (runner !== undefined) process.kill(runner, 'SIGKILL')
}

const CHUNK = Buffer.alloc(1 << 20)

/** Writes until there is no room. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (;;) writeSync(file, CHUNK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}

/** A disk of its own for a directory; null where this user may not mount one. */
export function smallDisk(directory: string, megabytes: number): { end(): void } | null {
  mkdirSync(directory, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', directory])
  return mounted.status === 0 ? { end: () => void execFileSync('umount', ['-l', directory]) } : null
}
