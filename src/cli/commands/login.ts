/** `fewbit login`: which service the command talks to, and its key, remembered in a file of the user's own. */
import type { Command } from 'commander'
import type { Asked } from '../remote/login.ts'
import type { State } from './command.ts'
import { addServer } from './server-options.ts'

const EXAMPLES = `
The key is asked for on a terminal, and otherwise read from standard input or FEWBIT_API_KEY: never an argument, which other users see.

Examples:
  $ fewbit login --server https://fewbit.example
  $ fewbit login --server https://fewbit.example < key.txt
  $ fewbit login --no-key                           a service on this machine, which needs none`

export function addLogin(program: Command, _: State): void {
  const command = program
    .command('login')
    .summary('remember a service and its key')
    .description('Checks the key with the service, and uses both from now on.')
  addServer(command)
    .option('--no-key', 'the service needs none')
    .addHelpText('after', EXAMPLES)
    .action(async (asked: Asked) => {
      const { login } = await import('../remote/login.ts')
      return login(asked)
    })
}
