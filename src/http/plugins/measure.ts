/** Measures requests by their route's template, which is one of ours, whatever the path was. */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Metrics } from '../../telemetry/metrics.ts'

const UNKNOWN = 'none'

export function measure(app: FastifyInstance, { requests, bytes }: Metrics): void {
  const counted = new WeakMap<Socket, { read: number; written: number }>()
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? UNKNOWN
    const labels = { method: methodOf(request), route, status: `${Math.floor(reply.statusCode / 100)}xx` }
    requests.observe(labels, reply.elapsedTime / 1000)
    const { socket } = request.raw
    const before = counted.get(socket) ?? { read: 0, written: 0 }
    const now = { read: socket.bytesRead ?? 0, written: socket.bytesWritten ?? 0 }
    counted.set(socket, now)
    bytes.inc({ route, direction: 'in' }, Math.max(0, now.read - before.read))
    bytes.inc({ route, direction: 'out' }, Math.max(0, now.written - before.written))
  })
}

/** Of a request that no route takes it is the client's word. */
const methodOf = ({ method, routeOptions }: FastifyRequest): string =>
  routeOptions.url === undefined ? UNKNOWN : method
