/** `fewbit mcp`: the verbs of the command as tools for agents. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { State } from './command.ts'

const EXAMPLES = `
Speaks the Model Context Protocol over standard input and output; an agent's program starts it.

Examples:
  $ fewbit mcp --root ~/models
  $ claude mcp add fewbit -- npx fewbit mcp --root .`

export function addMcp(program: Command, _: State): void {
  program
    .command('mcp')
    .summary('serve the verbs above as tools for agents')
    .description('Lets an agent inspect, quantize and compare models below one directory, on this machine.')
    .option('-r, --root <directory>', 'the files that may be read and written; the current directory by default', '.')
    .addHelpText('after', EXAMPLES)
    .action(async ({ root }: { root: string }) => {
      const { serve } = await import('../mcp/server.ts')
      serve(resolve(root))
    })
}
