/** Writes an API key only if nobody changed it in between: its record, what its hashes grant, and its place in the list. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import type { ApiKeyRecord } from './api-key.ts'
import { apiKeyKey, apiKeysKey, grantKey } from './keys.ts'

type Command = (string | number)[]

const MOST_KEYS = 100
const MAX_TRIES = 20

const WRITE = `
if (redis.call('HGET', KEYS[1], 'record') or '') ~= ARGV[1] then return 0 end
if ARGV[1] == '' and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return -1 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
return 1`

/** Throws too_many_api_keys. */
export async function insertApiKey(deps: Deps, record: ApiKeyRecord): Promise<void> {
  const commands = [
    ['HSET', apiKeyKey(deps, record.id), 'record', JSON.stringify(record)],
    ['ZADD', apiKeysKey(deps, record.owner), 0, record.id],
    grantCommand(deps, record),
  ]
  if ((await write(deps, record, '', commands)) < 0)
    throw new FewbitError('too_many_api_keys', `at most ${MOST_KEYS} keys are kept for each owner; revoke one`)
}

/** `commandsFor` says what to write for the record as it is; tried again when it changed meanwhile. Throws not_found. */
export async function changeApiKey(
  deps: Deps,
  id: string,
  commandsFor: (record: ApiKeyRecord) => Command[],
): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const text = await deps.redis.hget(apiKeyKey(deps, id), 'record')
    if (text === null) throw new FewbitError('not_found', `no API key ${id}`)
    const record = JSON.parse(text) as ApiKeyRecord
    if ((await write(deps, record, text, commandsFor(record))) > 0) return
  }
  throw new FewbitError('unavailable', `the API key ${id} is being changed too often`)
}

/** What is looked up with each request: a small copy of the record under the key's hash. */
export const grantCommand = (deps: Deps, { id, owner, scopes, hash }: ApiKeyRecord): Command => [
  'SET',
  grantKey(deps, hash),
  JSON.stringify({ id, owner, scopes }),
]

async function write(deps: Deps, { id, owner }: ApiKeyRecord, before: string, commands: Command[]): Promise<number> {
  const keys = [apiKeyKey(deps, id), apiKeysKey(deps, owner)]
  return Number(await deps.redis.eval(WRITE, keys.length, ...keys, before, JSON.stringify(commands), MOST_KEYS))
}
