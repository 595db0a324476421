/** How many jobs of all owners are in each status, by method: counted in the write that changes it. */
import type { Deps } from '../../deps.ts'
import type { JobRecord } from './job.ts'

type CountDeps = Pick<Deps, 'config' | 'redis'>
type Command = (string | number)[]
type Counted = Pick<JobRecord, 'status' | 'options'>

const countsKey = ({ config }: Pick<Deps, 'config'>): string => `${config.REDIS_PREFIX}:jobs:counts`
const fieldOf = ({ status, options }: Counted): string => `${status}:${options.method.type}`

/** From where `before` was counted to where `record` is; null: it is not there. */
export function countCommands(deps: Pick<Deps, 'config'>, record: Counted | null, before: Counted | null): Command[] {
  const [field, old] = [record && fieldOf(record), before && fieldOf(before)]
  if (field === old) return []
  const add = (name: string | null, n: number) => (name === null ? [] : [['HINCRBY', countsKey(deps), name, n]])
  return [...add(old, -1), ...add(field, 1)]
}

export async function readJobCounts(deps: CountDeps) {
  const counts = await deps.redis.hgetall(countsKey(deps))
  return Object.entries(counts).map(([field, count]) => {
    const [status, method] = field.split(':')
    return { labels: { status: String(status), method: String(method) }, value: Math.max(0, Number(count)) }
  })
}
