/** The secret that signs per-job webhooks: the operator's, or one made once and kept in Redis. */
import { randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'

const SECRET_BYTES = 32

export async function getWebhookSecret({ config, redis }: Pick<Deps, 'config' | 'redis'>): Promise<string> {
  if (config.WEBHOOK_SECRET) return config.WEBHOOK_SECRET
  const key = `${config.REDIS_PREFIX}:webhook:secret`
  await redis.set(key, `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`, 'NX')
  return (await redis.get(key))!
}
