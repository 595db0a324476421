/** The secret that signs an owner's webhooks: the operator's setting, or one made once for each owner and kept in Redis. */
import { randomBytes } from 'node:crypto'
import { type Deps, LOCAL_OWNER } from '../deps.ts'

const SECRET_BYTES = 32

/** No owner can sign for another. Throws unavailable. */
export async function getWebhookSecret(
  { config, redis }: Pick<Deps, 'config' | 'redis'>,
  owner: string,
): Promise<string> {
  if (owner === LOCAL_OWNER && config.WEBHOOK_SECRET) return config.WEBHOOK_SECRET
  const key = `${config.REDIS_PREFIX}:webhook:secret:${owner}`
  const made = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
  await redis.set(key, made, 'NX')
  return (await redis.get(key)) ?? made
}
