/** `fewbit targets`: the hardware that is known, or all that is known of one. */
import type { Command } from 'commander'
import { TARGETS } from '../../engine/targets/index.ts'
import { target } from '../arguments.ts'
import { table } from '../table.ts'
import { JSON_OPTION, type JsonOption, type State } from './command.ts'

const EXAMPLES = `
Examples:
  $ fewbit targets
  $ fewbit targets npu-qnn-htp > mine.json     a profile to edit (its id too), for --target mine.json`

export function addTargets(program: Command, _: State): void {
  program
    .command('targets')
    .summary('list the hardware to quantize for')
    .description('Lists the targets with their methods, or prints the whole profile of one as JSON.')
    .argument('[target]', 'whose profile is printed', target)
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action((name: keyof typeof TARGETS | undefined, { json }: JsonOption) => {
      const all = Object.values(TARGETS)
      if (name) console.log(JSON.stringify(TARGETS[name] ?? name, null, 2))
      else if (json) console.log(JSON.stringify({ targets: all }, null, 1))
      else console.log(table(all.map(({ id, methods, title }) => [id, methods.join(', '), title])))
    })
}
