/** What an owner may still do, as the fields RateLimit-Policy and RateLimit say it (draft-ietf-httpapi-ratelimit-headers-10). */
import type { FastifyReply } from 'fastify'
import type { Deps } from '../deps.ts'
import { bytesOf, type Usage, unfinishedJobsOf } from '../owners/usage.ts'

interface Policy {
  /** unit of the quota, of those that the draft registers */
  unit: 'concurrent-requests' | 'content-bytes'
  usage: (deps: Deps, owner: string) => Promise<Usage>
}

/** None has a window: quotas come back when jobs end and when things are deleted. */
const POLICIES = {
  'unfinished-jobs': { unit: 'concurrent-requests', usage: unfinishedJobsOf },
  'stored-bytes': { unit: 'content-bytes', usage: bytesOf },
} as const satisfies Record<string, Policy>

type PolicyName = keyof typeof POLICIES

/** As it is now. */
async function sendLimits({ deps, owner, reply }: LimitedCall, names: readonly PolicyName[]): Promise<void> {
  const usages = await Promise.all(names.map((name) => POLICIES[name].usage(deps, owner)))
  const policies = names.map((name, i) => `"${name}";q=${usages[i]?.max};qu="${POLICIES[name].unit}"`)
  const left = names.map((name, i) => `"${name}";r=${remaining(usages[i])}`)
  reply.headers({ 'ratelimit-policy': policies.join(', '), ratelimit: left.join(', ') })
}

const remaining = (usage: Usage | undefined): number => (usage ? Math.max(0, usage.max - usage.used) : 0)

interface LimitedCall {
  deps: Deps
  owner: string
  reply: FastifyReply
}

/** Runs `work` and adds the fields to its answer, or to its refusal. */
export async function withLimits<T>(
  call: LimitedCall,
  names: readonly PolicyName[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } finally {
    await sendLimits(call, names).catch(() => {})
  }
}
