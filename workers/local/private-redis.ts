/** A redis-server of our own on a Unix socket, with an append-only file, for a service on one machine. */
import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const NAME = 'redis.sock'
/** longest path of a Unix socket on Linux, in bytes, with room */
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

/** Where the directory's path is too long for a socket, a short one that follows from it: two servers on it must notice each other. */
async function socketIn(directory: string): Promise<string> {
  const socket = join(directory, NAME)
  if (Buffer.byteLength(socket) <= SOCKET_PATH_LIMIT) return socket
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  return join(await requireOwn(join(tmpdir(), `fewbit-${digest}`)), NAME)
}

/** A directory that only this user may enter; anybody may have made one of that name. */
async function requireOwn(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const found = await lstat(path)
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return path
  throw new Error(`${path} belongs to somebody else; set DATA_DIR to a shorter path`)
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
