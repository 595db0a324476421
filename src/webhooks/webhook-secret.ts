/** The secrets that sign webhooks. An owner has one, the operator's setting or made once and kept in Redis; endpoints and jobs may have their own. */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type Deps, LOCAL_OWNER } from '../deps.ts'

const PREFIX = 'whsec_'
const SECRET_BYTES = 32
/** of Standard Webhooks */
const [LEAST_BYTES, MOST_BYTES] = [24, 64]

export const makeSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64')

export const GivenSecret = z
  .string()
  .max(200)
  .refine(isSecret, `expected ${PREFIX} and the base64 of ${LEAST_BYTES} to ${MOST_BYTES} random bytes`)

function isSecret(text: string): boolean {
  const base64 = text.slice(PREFIX.length)
  const bytes = Buffer.from(base64, 'base64')
  const isWhole = text.startsWith(PREFIX) && bytes.toString('base64') === base64
  return isWhole && bytes.length >= LEAST_BYTES && bytes.length <= MOST_BYTES
}

/** No owner can sign for another. Throws unavailable. */
export async function getWebhookSecret(
  { config, redis }: Pick<Deps, 'config' | 'redis'>,
  owner: string,
): Promise<string> {
  if (owner === LOCAL_OWNER && config.WEBHOOK_SECRET) return config.WEBHOOK_SECRET
  const key = `${config.REDIS_PREFIX}:webhook:secret:${owner}`
  const made = makeSecret()
  await redis.set(key, made, 'NX')
  return (await redis.get(key)) ?? made
}
