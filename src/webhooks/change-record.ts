/** Changes a record in Redis only if nobody changed it in between. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'

type Command = (string | number)[]

const MAX_TRIES = 50

const WRITE = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
return 1`

/** `decide` says what to write for the record as it is, or null for nothing. False when there is no record. */
export async function changeRecord<T>(
  deps: Pick<Deps, 'redis'>,
  key: string,
  decide: (record: T) => Command[] | null,
): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const text = await deps.redis.get(key)
    if (text === null) return false
    const commands = decide(JSON.parse(text) as T)
    if (!commands || (await deps.redis.eval(WRITE, 1, key, text, JSON.stringify(commands))) === 1) return true
  }
  throw new FewbitError('unavailable', `${key.slice(key.lastIndexOf(':') + 1)} is being changed too often`)
}

/** The record goes on living as long as it would have. */
export const setCommand = (key: string, record: object): Command => ['SET', key, JSON.stringify(record), 'KEEPTTL']
