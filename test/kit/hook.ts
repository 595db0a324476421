/** A receiver of webhooks that remembers what it was told, and may hold back its answers. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Hook {
  url: string
  /** ids of the events, by job; those that came again are told once */
  eventsOf(job: string): string[]
  /** ids of the events that were answered */
  answered: ReadonlySet<string>
  /** From now on, answers wait; returns how many do. */
  hold(): () => number
  /** Answers what waits and all that comes. */
  answer(): void
  close(): void
}

export async function openHook(): Promise<Hook> {
  const events = new Map<string, Set<string>>()
  const answered = new Set<string>()
  const waiting: (() => void)[] = []
  let held = false
  const say = (response: ServerResponse, event: string) => {
    // one whose sender has died meanwhile is told nothing
    if (!response.destroyed) answered.add(event)
    response.writeHead(204).end()
  }
  const server = createServer(async (request, response) => {
    const { data } = JSON.parse(String(await buffer(request))) as { data: { id: string } }
    const event = String(request.headers['webhook-id'])
    events.set(data.id, (events.get(data.id) ?? new Set()).add(event))
    if (held) waiting.push(() => say(response, event))
    else say(response, event)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    eventsOf: (job) => [...(events.get(job) ?? [])],
    answered,
    hold() {
      held = true
      return () => waiting.length
    },
    answer() {
      held = false
      for (const each of waiting.splice(0)) each()
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
