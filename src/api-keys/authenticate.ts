/** From the text of an API key to who calls. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type Deps, LOCAL_OWNER } from '../deps.ts'
import { type Caller, SCOPES } from './api-key.ts'
import { hashOfKey, isKeyText } from './key-text.ts'
import { grantKey } from './keys.ts'
import { markUsed } from './mark-used.ts'

/** Whoever runs the service: calls without a key where none is needed, and calls with the bootstrap key. */
export const OPERATOR: Caller = { owner: LOCAL_OWNER, scopes: SCOPES }

type Grant = Caller & { id: string }

/** Null for a key that was never made, was revoked, or was rotated too long ago. Throws unavailable. */
export async function authenticate(deps: Deps, text: string): Promise<Caller | null> {
  if (isBootstrapKey(deps, text)) return OPERATOR
  if (!isKeyText(text)) return null
  const found = await deps.redis.get(grantKey(deps, hashOfKey(text)))
  if (found === null) return null
  const { id, owner, scopes } = JSON.parse(found) as Grant
  markUsed(deps, id)
  return { owner, scopes }
}

function isBootstrapKey({ config }: Pick<Deps, 'config'>, text: string): boolean {
  const key = config.FEWBIT_BOOTSTRAP_KEY
  return key !== undefined && timingSafeEqual(digest(key), digest(text))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
