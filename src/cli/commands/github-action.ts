/** `fewbit github-action`: what action.yml runs. */
import type { Command } from 'commander'
import type { State } from './command.ts'

export function addGithubAction(program: Command, state: State): void {
  program
    .command('github-action', { hidden: true })
    .description('Quantizes what the variables of action.yml name, and fails beyond their limits.')
    .action(async () => {
      const { runAction } = await import('../action/run.ts')
      state.exitCode = await runAction()
    })
}
