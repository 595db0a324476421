/** Sends JSON that is text already. */
import type { FastifyReply } from 'fastify'

export const sendText = (reply: FastifyReply, json: string): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(json)
