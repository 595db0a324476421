/** A real Redis for a test: its own server on a socket in its own directory, that can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface TestRedis {
  url: string
  /** a directory for the test's other files; removed at the end */
  directory: string
  kill(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export async function startRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-redis-'))
  const socket = join(directory, 'redis.sock')
  let server: ChildProcess | undefined
  const start = async () => {
    server = spawn('redis-server', argumentsOf(directory, socket), { stdio: 'ignore' })
    await accepts(socket)
  }
  const kill = async (signal: NodeJS.Signals) => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill(signal)
    await gone
  }
  await start()
  return {
    url: `unix:${socket}`,
    directory,
    start,
    kill,
    async close() {
      await kill('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function argumentsOf(directory: string, socket: string): string[] {
  const settings = { port: '0', unixsocket: socket, unixsocketperm: '700', dir: directory, save: '' }
  const durable = { appendonly: 'yes', appendfsync: 'everysec', 'maxmemory-policy': 'noeviction' }
  return Object.entries({ ...settings, ...durable }).flatMap(([name, value]) => [`--${name}`, value])
}

async function accepts(socket: string): Promise<void> {
  while (!(await answersPing(socket))) await delay(10)
}

function answersPing(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket)
    connection.once('error', () => resolve(false))
    connection.once('data', (data) => {
      connection.destroy()
      resolve(data.toString().startsWith('+PONG'))
    })
    connection.write('PING\r\n')
  })
}
