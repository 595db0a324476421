/** `fewbit dev`: the whole service on this machine, as `npm start` in a clone. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { count } from '../arguments.ts'
import type { State } from './command.ts'

const EXAMPLES = `
It needs redis-server, or REDIS_URL. Everything else is set by environment variables as in a deployment.

Examples:
  $ fewbit dev
  $ fewbit dev --port 9000 --data /var/tmp/fewbit`

interface Asked {
  port?: number
  data?: string
}

export function addDev(program: Command, _: State): void {
  program
    .command('dev')
    .summary('start the service on this machine')
    .description('Starts the API, a worker and the sender of webhooks, with a Redis of their own, until Ctrl-C.')
    .option('-p, --port <number>', 'of the API: 8080 by default, 0 takes a free one', port)
    .option('-d, --data <directory>', 'where models, jobs and results are kept')
    .addHelpText('after', EXAMPLES)
    .action(async (asked: Asked) => {
      if (asked.port !== undefined) process.env.PORT = String(asked.port)
      if (asked.data !== undefined) process.env.DATA_DIR = resolve(asked.data)
      await import('../../../workers/dev.ts')
    })
}

function port(text: string): number {
  if (count(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('A port is at most 65535.')
}
