/** `fewbit completion`: what a shell needs to complete commands, options, targets and methods. */
import { Argument, type Command } from 'commander'
import { completionsOf, SCRIPTS } from '../completion.ts'
import type { State } from './command.ts'

const EXAMPLES = `
Examples:
  $ fewbit completion bash >> ~/.bashrc
  $ fewbit completion zsh > ~/.zfunc/_fewbit          where fpath has ~/.zfunc
  $ fewbit completion fish > ~/.config/fish/completions/fewbit.fish`

export function addCompletion(program: Command, _: State): void {
  program
    .command('completion')
    .summary('print what your shell needs to complete words')
    .description('Prints a script for a shell, which completes commands, options, targets and methods.')
    .addArgument(new Argument('<shell>', 'yours').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', EXAMPLES)
    .action((shell: keyof typeof SCRIPTS) => void process.stdout.write(SCRIPTS[shell]))
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action((words: string[]) => {
      for (const word of completionsOf(program, words)) console.log(word)
    })
}
