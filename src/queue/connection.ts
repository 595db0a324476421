/** Connections to Redis: one kind that fails fast for requests, and options for the kind that waits for workers. */
import { type Command, Redis } from 'ioredis'
import { FewbitError, messageOf } from '../shared/errors.ts'

export interface RedisAddress {
  path?: string
  host?: string
  port?: number
  db?: number
  username?: string
  password?: string
  tls?: Record<string, never>
}

/** For those who wait until Redis is back. */
export interface PatientOptions extends RedisAddress {
  maxRetriesPerRequest: null
  retryStrategy: (times: number) => number
}

export const COMMAND_TIMEOUT_MS = 2000

const REFUSING_REPLY = /^(LOADING|READONLY|MASTERDOWN|OOM|MISCONF|BUSY|CLUSTERDOWN)\b/

/** `redis://user:password@host:6379/0`, `rediss://…` (TLS) or `unix:/path/to.sock`. */
export function parseRedisUrl(url: string): RedisAddress {
  if (url.startsWith('unix:')) return { path: url.slice('unix:'.length).replace(/^\/\//, '') }
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  return {
    host: hostname || '127.0.0.1',
    port: Number(port || 6379),
    db: Number(pathname.slice(1) || 0),
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  }
}

/** Commands answer or throw `unavailable` within 2 s; nothing is queued while Redis is away. */
export function connectFailFast(url: string): Redis {
  const redis = new Redis({
    ...parseRedisUrl(url),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy,
  })
  rejectAsUnavailable(redis)
  return redis
}

/** For blocking reads and subscriptions, which wait for Redis to come back. */
export function patientOptions(url: string): PatientOptions {
  return { ...parseRedisUrl(url), maxRetriesPerRequest: null, retryStrategy }
}

/** Whoever subscribes does so again at each `ready`: what ioredis repeats on its own fails as an unhandled rejection. */
export const connectSubscriber = (url: string): Redis => new Redis({ ...patientOptions(url), autoResubscribe: false })

/** Whether Redis answers within 2 s. */
export const isThere = (redis: Redis): Promise<boolean> =>
  redis.ping().then(
    () => true,
    () => false,
  )

/** Waits until a fresh connection is usable, but never longer than `timeoutMs`; a Redis that is away is no error here. */
export async function settled(redis: Redis, timeoutMs = COMMAND_TIMEOUT_MS): Promise<void> {
  if (redis.status === 'ready') return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    redis.once('ready', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Resolves as `work` does, or throws `unavailable` after 2 s. */
export async function bounded<T>(work: Promise<T>, what: string, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new FewbitError('unavailable', `${what} took longer than ${timeoutMs} ms`)),
      timeoutMs,
    )
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function retryStrategy(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 10), 1000)
}

// Every command, alone or in a MULTI, passes here; ioredis has no hook for errors of its own.
function rejectAsUnavailable(redis: Redis): void {
  const send = redis.sendCommand.bind(redis)
  redis.sendCommand = (command: Command, stream) => {
    const reject = command.reject
    command.reject = (error) => reject(translate(error))
    return send(command, stream)
  }
}

function translate(error: Error): Error {
  const refused = error.name === 'ReplyError' && !REFUSING_REPLY.test(error.message)
  if (refused || error instanceof FewbitError) return error
  return new FewbitError('unavailable', 'Redis does not answer', { cause: messageOf(error) })
}
