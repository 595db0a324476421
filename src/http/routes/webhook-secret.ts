/** /v1/webhook-secret: with what receivers verify webhooks. */
import { z } from 'zod'
import { getWebhookSecret } from '../../webhooks/webhook-secret.ts'
import { endpoint } from '../endpoint.ts'
import { answer } from '../shapes.ts'

export const WebhookSecret = z.object({
  object: z.literal('webhook_secret'),
  secret: z.string().describe('whsec_…, as the libraries of Standard Webhooks take it'),
})

export const get = endpoint(
  {
    operationId: 'getWebhookSecret',
    'x-scope': 'admin',
    tags: ['webhooks'],
    summary: 'Get the signing secret of webhooks',
    description: "Every webhook of the owner's jobs is signed with it; each owner has one of its own.",
    response: { 200: answer('The secret', WebhookSecret) },
  },
  async ({ deps, owner, reply }) => {
    reply.header('cache-control', 'no-store')
    return { object: 'webhook_secret', secret: await getWebhookSecret(deps, owner) }
  },
)
