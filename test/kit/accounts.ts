/** Compares what the records of a service refer to with its references and with the bytes in its store. */
import type { Deps } from '../../src/deps.ts'
import { refsKey } from '../../src/storage/refs.ts'
import { until } from './service.ts'

/** Waits until every object is referred to, and every reference is one of a record. Then each lists digests with their references. */
export async function accountsAgree(deps: Deps, timeoutMs: number): Promise<void> {
  let difference = ''
  const look = async () => {
    const [due, referred, stored] = [await dueReferences(deps), await references(deps), await objects(deps)]
    const digests = [...new Set(due.map((line) => line.split(' ')[0]!))].toSorted()
    difference = JSON.stringify({ due, referred, stored, digests })
    return String(due) === String(referred) && String(digests) === String(stored)
  }
  // A test's own connection may be back later than that of the service.
  const agree = () =>
    look().catch((error: unknown) => {
      difference = String(error)
      return false
    })
  await until(agree, 'the accounts do not agree', timeoutMs).catch((error) => {
    throw new Error(`${error.message}: ${difference}`)
  })
}

async function dueReferences(deps: Deps): Promise<string[]> {
  const { redis, config } = deps
  const lines: string[] = []
  const prefix = config.REDIS_PREFIX
  for (const key of await redis.keys(`${prefix}:model:*`)) {
    const { id, files } = JSON.parse((await redis.get(key))!) as { id: string; files: { sha256: string }[] }
    lines.push(...files.map(({ sha256 }) => `${sha256} model:${id}`))
  }
  for (const [kind, key] of [
    ...(await redis.keys(`${prefix}:dataset:*`)).map((one) => ['dataset', one] as const),
    ...(await redis.keys(`${prefix}:artifact:*`)).map((one) => ['artifact', one] as const),
  ]) {
    const { id, sha256 } = JSON.parse((await redis.get(key))!) as { id: string; sha256: string }
    lines.push(`${sha256} ${kind}:${id}`)
  }
  return lines.toSorted()
}

async function references(deps: Deps): Promise<string[]> {
  const prefix = refsKey(deps, '')
  const keys = await deps.redis.keys(`${prefix}*`)
  const sets = await Promise.all(keys.map((key) => deps.redis.smembers(key)))
  return keys.flatMap((key, i) => sets[i]!.map((ref) => `${key.slice(prefix.length)} ${ref}`)).toSorted()
}

async function objects({ store }: Deps): Promise<string[]> {
  const found: string[] = []
  for await (const digests of store.list(100)) found.push(...digests)
  return found.toSorted()
}
