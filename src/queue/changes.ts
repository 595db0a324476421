/** Wake-ups: one subscriber per process tells whoever waits that a job changed; a hint, never the truth. */
import type { Redis } from 'ioredis'
import { connectSubscriber } from './connection.ts'

export interface Watch {
  /** Resolves at the next change (at once when one happened since the last call), after `timeoutMs`, or on abort. */
  next(timeoutMs: number, signal?: AbortSignal): Promise<void>
  close(): void
}

export interface Changes {
  /** Watches one job, or every job with `'*'`. */
  watch(jobId: string): Watch
  close(): void
}

type Wake = () => void

/** Opens its connection at the first watch. */
export function openChanges(redisUrl: string, channel: string): Changes {
  const watched = new Map<string, Set<Wake>>()
  let subscriber: Redis | undefined
  const wake = (jobId: string) => {
    for (const name of [jobId, '*']) for (const each of watched.get(name) ?? []) each()
  }
  const wakeAll = () => {
    for (const wakes of watched.values()) for (const each of wakes) each()
  }
  const subscribe = () => {
    subscriber = connectSubscriber(redisUrl)
    subscriber.on('error', () => {})
    subscriber.on('message', (_channel, jobId) => wake(jobId))
    // what changed while the subscription did not stand was told to nobody
    subscriber.on('ready', () => subscriber?.subscribe(channel).then(wakeAll, () => {}))
  }
  return {
    watch(jobId) {
      if (!subscriber) subscribe()
      return openWatch((each) => register(watched, jobId, each))
    },
    close: () => subscriber?.disconnect(),
  }
}

function register(watched: Map<string, Set<Wake>>, jobId: string, wake: Wake): () => void {
  const wakes = watched.get(jobId) ?? new Set()
  watched.set(jobId, wakes.add(wake))
  return () => {
    wakes.delete(wake)
    if (wakes.size === 0 && watched.get(jobId) === wakes) watched.delete(jobId)
  }
}

function openWatch(start: (wake: Wake) => () => void): Watch {
  let missed = false
  let resume: Wake | null = null
  const close = start(() => {
    missed = true
    resume?.()
  })
  return {
    close,
    next: (timeoutMs, signal) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          missed = false
          resume = null
          resolve()
        }
        const timer = setTimeout(done, timeoutMs)
        signal?.addEventListener('abort', done, { once: true })
        resume = done
        if (missed || signal?.aborted) done()
      }),
  }
}
