/** Deletes a job that is over, with its events and artifacts. */
import type { Deps } from '../deps.ts'
import { bytesKey } from '../owners/keys.ts'
import { changesChannel } from '../queue/queues.ts'
import { FewbitError } from '../shared/errors.ts'
import { release } from '../storage/refs.ts'
import { dropCheckpoint } from './attempt/keep-checkpoint.ts'
import { dropBest } from './attempt/keep-rung.ts'
import { getJob } from './get-job.ts'
import { countCommands } from './record/counts.ts'
import { INDEX_NAMES, INDEXES } from './record/indexes.ts'
import { isTerminal, type JobRecord } from './record/job.ts'
import { artifactKey, eventsKey, indexKey, jobKey, ownedKey } from './record/keys.ts'

type Command = (string | number)[]

const DELETE = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
return 1`

/** Throws not_found, job_not_finished, and what `check` throws of the job. */
export async function deleteJob(
  deps: Deps,
  owner: string,
  id: string,
  check: (job: JobRecord) => void = () => {},
): Promise<void> {
  for (;;) {
    const job = await getJob(deps, owner, id)
    check(job)
    if (!isTerminal(job.status))
      throw new FewbitError('job_not_finished', `job ${id} is ${job.status}; cancel it first`)
    if (job.checkpoint) await dropCheckpoint(deps, id)
    else if (job.best_so_far.length > 0) await dropBest(deps, job)
    else if (await remove(deps, job)) return
  }
}

/** False when the job changed in between. */
async function remove(deps: Deps, job: JobRecord): Promise<boolean> {
  const key = jobKey(deps, job.id)
  const removed = await deps.redis.eval(DELETE, 1, key, String(job.version), JSON.stringify(commandsOf(deps, job)))
  if (removed !== 1) return false
  for (const { id, sha256 } of job.artifacts) await release(deps, sha256, `artifact:${id}`)
  return true
}

function commandsOf(deps: Deps, job: JobRecord): Command[] {
  const { id, owner, artifacts } = job
  const bytes = artifacts.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  return [
    ['DEL', jobKey(deps, id), eventsKey(deps, id), ...artifacts.map((one) => artifactKey(deps, one.id))],
    ['ZREM', ownedKey(deps, owner), id],
    ...INDEX_NAMES.map((name) => ['ZREM', indexKey(deps, owner, name, INDEXES[name](job)), id]),
    ...countCommands(deps, null, job),
    ['DECRBY', bytesKey(deps, owner), bytes],
    ['PUBLISH', changesChannel(deps.config), id],
  ]
}
