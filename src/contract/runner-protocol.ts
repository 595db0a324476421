/** What a runner may say on file descriptor 3: newline-delimited JSON, checked because the runner works on hostile input. */
import { StringDecoder } from 'node:string_decoder'
import { z } from 'zod'
import { PHASES, type RunnerMessage } from './recipe.ts'

/** A file of this name in the runner's directory asks search and training to end, and to package the best so far. */
export const STOP_FILE = 'stop'

const text = (max: number) => z.string().transform((value) => value.slice(0, max))
const count = z.number().int().nonnegative()

/** No directory, no leading dot. */
const FileName = z.string().regex(/^[A-Za-z0-9_][\w.-]{0,99}$/)
const ContentType = z.string().regex(/^[\w.+-]{1,60}\/[\w.+-]{1,60}(; ?charset=[\w-]{1,20})?$/)

const Message = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('progress'),
    phase: z.enum(PHASES),
    fraction: z.number().min(0).max(1),
    step: count,
    total_steps: count,
    message: text(500),
  }),
  z.object({
    type: z.literal('training'),
    step: count,
    total_steps: count,
    epoch: z.number(),
    loss: z.number(),
    learning_rate: z.number(),
    samples_per_second: z.number(),
    seconds_left: z.number(),
  }),
  z.object({ type: z.literal('checkpoint'), path: text(200), step: count }),
  z.object({ type: z.literal('warning'), code: text(100), detail: text(2000) }),
  z.object({
    type: z.literal('result'),
    files: z.array(z.object({ name: FileName, content_type: ContentType })).max(32),
  }),
  z.object({
    type: z.literal('error'),
    code: text(100),
    stage: text(100),
    detail: text(4000),
    param: text(500).optional(),
    hint: text(1000).optional(),
  }),
]) satisfies z.ZodType<RunnerMessage>

export type Message = z.infer<typeof Message>
export type OutputFile = Extract<Message, { type: 'result' }>['files'][number]

const MAX_LINE = 1 << 20

/** Feeds chunks, calls `take` per message. Throws when a line is too long or no message. */
export function messageReader(take: (message: Message) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE) throw new Error('the runner sent a line without end')
    for (const line of lines) take(Message.parse(JSON.parse(line)))
  }
}
