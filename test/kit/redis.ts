/** A real Redis for a test: its own server on a socket in its own directory, that can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateRedis } from '../../workers/local/private-redis.ts'
import { leashed } from './processes.ts'

export interface TestRedis {
  url: string
  /** a directory for the test's other files; removed at the end */
  directory: string
  /** and waits for its end */
  kill(signal: NodeJS.Signals): Promise<void>
  signal(signal: NodeJS.Signals): void
  start(): Promise<void>
  close(): Promise<void>
}

export async function startRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-test-'))
  const { url, command, ready } = await privateRedis(directory)
  const [file, ...args] = leashed(command)
  let server: ChildProcess | undefined
  const start = async () => {
    server = spawn(file, args, { stdio: 'ignore' })
    await ready()
  }
  const kill = (signal: NodeJS.Signals) => endProcess(server, signal)
  await start()
  return {
    url,
    directory,
    start,
    kill,
    signal: (signal) => void server?.kill(signal),
    async close() {
      await kill('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Sends the signal and waits for the end; nothing happens when the process has ended. */
export async function endProcess(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
