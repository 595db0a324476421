/** A receiver of webhooks that answers with given statuses and keeps what it was sent. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { Webhook } from 'standardwebhooks'

export interface Received {
  headers: IncomingHttpHeaders
  body: string
}

/** Answers `statuses` one after the other, the last one for ever. */
export function receiver(...statuses: number[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    response.statusCode = statuses[Math.min(received.length, statuses.length) - 1]!
    response.end()
  })
  return { server, received }
}

export async function listen(t: TestContext, server: Server): Promise<string> {
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

export const webhookIdOf = ({ headers }: Received): string => String(headers['webhook-id'])

/** Throws unless the library of Standard Webhooks accepts it; the body otherwise. */
export function verified<T = { type: string; data: { id: string; status: string } }>(
  secret: string,
  { headers, body }: Received,
): T {
  const fields = {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  }
  return new Webhook(secret).verify(body, fields) as T
}
