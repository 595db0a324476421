/** The command `fewbit` on one screen. */
import { Command } from 'commander'
import { VERSION } from '../shared/version.ts'
import { addCheck } from './commands/check.ts'
import type { State } from './commands/command.ts'
import { addCompare } from './commands/compare.ts'
import { addCompletion } from './commands/completion.ts'
import { addDev } from './commands/dev.ts'
import { addDownload } from './commands/download.ts'
import { addGithubAction } from './commands/github-action.ts'
import { addInspect } from './commands/inspect.ts'
import { addLogin } from './commands/login.ts'
import { addMcp } from './commands/mcp.ts'
import { addQuantize } from './commands/quantize.ts'
import { addSubmit } from './commands/submit.ts'
import { addTargets } from './commands/targets.ts'
import { addWatch } from './commands/watch.ts'

const EXAMPLES = `
Examples:
  $ fewbit quantize model.onnx --calibration data.npz     int8 for processors, proved on data that did not calibrate
  $ fewbit quantize model.onnx --method dynamic           without data: transformers, LSTM, GRU
  $ fewbit compare model.onnx --calibration data.npz      which method, and does training pay?
  $ fewbit inspect model.onnx                             operators, parameters, what is large
  $ fewbit check model.onnx --target npu-qnn-htp          does this file obey the hardware?

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but a goal was missed, 128 + n ended by the signal n.`

export function createProgram(state: State): Command {
  const program = new Command('fewbit')
    .description('Make ONNX models smaller and faster for the hardware that you name, with proof of what it costs.')
    .version(VERSION, '-V, --version')
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError('`fewbit --help` and `fewbit <command> --help` explain everything, with examples.')
    .exitOverride()
    .addHelpText('after', EXAMPLES)
  for (const [heading, adds] of Object.entries(GROUPS)) {
    program.commandsGroup(heading)
    for (const add of adds) add(program, state)
  }
  program.commandsGroup('More:')
  for (const add of [addMcp, addCompletion, addGithubAction]) add(program, state)
  return program.helpCommand('help [command]', 'explain a command')
}

const GROUPS = {
  'On this machine:': [addQuantize, addCompare, addInspect, addTargets, addCheck],
  'With a service:': [addSubmit, addWatch, addDownload, addLogin, addDev],
}
