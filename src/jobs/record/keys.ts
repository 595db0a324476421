/** The names of everything that jobs keep in Redis. */
import type { Deps } from '../../deps.ts'

type KeyDeps = Pick<Deps, 'config'>

export const jobKey = ({ config }: KeyDeps, id: string): string => `${config.REDIS_PREFIX}:job:${id}`
export const eventsKey = ({ config }: KeyDeps, id: string): string => `${config.REDIS_PREFIX}:job:${id}:events`
export const artifactKey = ({ config }: KeyDeps, id: string): string => `${config.REDIS_PREFIX}:artifact:${id}`

/** all jobs of an owner; ids sort by time */
export const ownedKey = ({ config }: KeyDeps, owner: string): string => `${config.REDIS_PREFIX}:owner:${owner}:jobs`
/** the unfinished jobs of all owners */
export const openKey = ({ config }: KeyDeps): string => `${config.REDIS_PREFIX}:jobs:open`
/** an owner's jobs by one of their properties; ids sort by time */
export const indexKey = (deps: KeyDeps, owner: string, property: string, value: string): string =>
  `${ownedKey(deps, owner)}:by:${property}:${value}`
/** webhooks to send, by stream id of their event */
export const outboxKey = ({ config }: KeyDeps): string => `${config.REDIS_PREFIX}:outbox`
export const eventCounterKey = ({ config }: KeyDeps): string => `${config.REDIS_PREFIX}:events:count`
/** the latest job of an owner that does some work; it may be over */
export const workKey = ({ config }: KeyDeps, owner: string, work: string): string =>
  `${config.REDIS_PREFIX}:owner:${owner}:work:${work}`
