/** Ends requests whose client sends its body, or reads its answer, so slowly that it does little more than hold a connection. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { FewbitError } from '../../shared/errors.ts'
import { refuseSocket } from './wire.ts'

export const LEAST_BYTES_PER_SECOND = 1024
/** windows in which no chunk of an answer may get through; one that was cut can be asked for by ranges */
const MOST_STALLS = 4

interface Watched {
  request: IncomingMessage
  response: ServerResponse
  /** at the last look; undefined before the first */
  read?: number
  written: number
  stalls: number
}

/** Looks every `windowMs`: a request is judged by the first whole window after its head. */
export function pace(app: FastifyInstance, windowMs: number): void {
  const watched = new Set<Watched>()
  app.addHook('onRequest', async ({ raw: request }, { raw: response }) => {
    watched.add({ request, response, written: 0, stalls: 0 })
  })
  const timer = setInterval(() => {
    for (const one of watched) {
      if (one.response.writableFinished || one.response.destroyed || one.request.socket.destroyed) watched.delete(one)
      else judge(one, (windowMs / 1000) * LEAST_BYTES_PER_SECOND)
    }
  }, windowMs).unref()
  app.addHook('onClose', async () => clearInterval(timer))
}

function judge(one: Watched, leastBytes: number): void {
  const { request, read } = one
  const { socket } = request
  one.read = socket.bytesRead
  if (read !== undefined && owesBody(request) && socket.bytesRead - read < leastBytes) {
    const detail = `the body arrives too slowly: at least ${LEAST_BYTES_PER_SECOND} bytes a second are expected`
    refuseSocket(socket, new FewbitError('request_timeout', detail))
  }
  one.stalls = isStalled(one) ? one.stalls + 1 : 0
  if (one.stalls > MOST_STALLS) socket.destroy()
}

/** Bytes that lie here unread are not the client's fault. */
const owesBody = ({ complete, readableLength }: IncomingMessage): boolean => !complete && readableLength === 0

/** Whether no chunk got through since the last look although one waits. */
function isStalled(one: Watched): boolean {
  const { bytesWritten, writableLength } = one.request.socket
  const through = bytesWritten - writableLength
  const before = one.written
  one.written = through
  return writableLength > 0 && through === before
}
