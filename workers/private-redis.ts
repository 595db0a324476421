/** A redis-server of our own on a Unix socket, with an append-only file, for a service on one machine. */
import { mkdir, mkdtemp } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** longest path of a Unix socket on Linux */
const SOCKET_PATH_LIMIT = 100
const READY_MS = 20_000

export interface PrivateRedis {
  url: string
  command: string[]
  /** Resolves when the server answers. Throws after 20 s. */
  ready(): Promise<void>
}

/** Describes the server that keeps its data in `directory`. Throws when one runs there already. */
export async function privateRedis(directory: string): Promise<PrivateRedis> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const socket = await socketIn(directory)
  if (await answersPing(socket)) throw new Error(`another Fewbit runs on ${directory}; stop it or set DATA_DIR`)
  return {
    url: `unix:${socket}`,
    command: ['redis-server', ...settings(directory, socket)],
    ready: () => untilAnswers(socket),
  }
}

async function socketIn(directory: string): Promise<string> {
  const socket = join(directory, 'redis.sock')
  return socket.length <= SOCKET_PATH_LIMIT ? socket : join(await mkdtemp(join(tmpdir(), 'fewbit-')), 'redis.sock')
}

function settings(directory: string, socket: string): string[] {
  const network = { port: '0', unixsocket: socket, unixsocketperm: '700' }
  const durable = {
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
  }
  return Object.entries({ ...network, ...durable, loglevel: 'warning', logfile: join(directory, 'redis.log') }).flatMap(
    ([name, value]) => [`--${name}`, value],
  )
}

async function untilAnswers(socket: string): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await delay(10)) if (await answersPing(socket)) return
  throw new Error('redis-server does not answer')
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
