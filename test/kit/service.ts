/** The whole service as it is deployed: real processes that a test may kill and start again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { leashed } from './processes.ts'
import { endProcess, startRedis, type TestRedis } from './redis.ts'

export type ProcessName = 'api' | 'worker' | 'notify'

export interface Service {
  url: string
  redis: TestRedis
  pid(name: ProcessName): number
  kill(name: ProcessName, signal?: NodeJS.Signals): Promise<void>
  start(name: ProcessName, env?: Record<string, string>): Promise<void>
  /** what the processes logged */
  log(): string
  /** `last`: what must happen between the end of the processes and the removal of their files */
  close(last?: () => void): Promise<void>
}

const DIST = join(import.meta.dirname, '..', '..')
const ENTRIES: Record<ProcessName, string> = {
  api: 'src/server.js',
  worker: 'workers/main.js',
  notify: 'workers/notify.js',
}
const READY: Record<ProcessName, RegExp> = {
  api: /listening on (\S+)/,
  worker: /worker is ready/,
  notify: /notify is ready/,
}
const WAIT_MS = 20_000
/** machines that others load take long to read the program */
const START_MS = 60_000

export async function startService(
  env: Record<string, string> = {},
  names: ProcessName[] = ['api', 'worker', 'notify'],
  given?: TestRedis,
): Promise<Service> {
  const redis = given ?? (await startRedis())
  const running = new Map<ProcessName, ChildProcess>()
  let written = ''
  let port = '0'
  const start = async (name: ProcessName, own: Record<string, string> = {}) => {
    const [file, ...args] = leashed([process.execPath, join(DIST, ENTRIES[name])])
    const child = spawn(file, args, {
      env: {
        PATH: process.env.PATH,
        DATA_DIR: redis.directory,
        REDIS_URL: redis.url,
        LOG_LEVEL: 'info',
        PORT: port,
        ...env,
        ...own,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.set(name, child)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        written += text
      })
    }
    await until(() => READY[name].test(said) || child.exitCode !== null, `${name} does not start`, START_MS)
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`)
    if (name === 'api') port = new URL(READY.api.exec(said)![1]!).port
  }
  const close = async (last: () => void = () => {}) => {
    await Promise.all([...running.values()].map((child) => endProcess(child, 'SIGTERM')))
    last()
    await redis.close()
  }
  try {
    await Promise.all(names.map((name) => start(name)))
  } catch (error) {
    // or the rest would keep the test's file from ending
    await close()
    throw error
  }
  return {
    url: `http://127.0.0.1:${port}`,
    redis,
    pid: (name) => running.get(name)!.pid!,
    kill: (name, signal = 'SIGKILL') => endProcess(running.get(name), signal),
    start,
    log: () => written,
    close,
  }
}

/** Polls until `holds`; throws after `timeoutMs`. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = WAIT_MS): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await holds()); await delay(20)) {
    if (Date.now() > end) throw new Error(`${what} within ${timeoutMs} ms`)
  }
}
