/** Reads what a runner says: newline-delimited JSON, line by line as the bytes arrive. */
import { StringDecoder } from 'node:string_decoder'
import { RunnerMessage } from '../../src/contract/runner-protocol.ts'

const MAX_LINE = 1 << 20

/** Feeds chunks, calls `take` per message. Throws when a line is too long or no message. */
export function messageReader(take: (message: RunnerMessage) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE) throw new Error('the runner sent a line without end')
    for (const line of lines) take(RunnerMessage.parse(JSON.parse(line)))
  }
}
