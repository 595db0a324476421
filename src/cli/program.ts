/** The command `fewbit` on one screen. */
import { Command } from 'commander'
import { VERSION } from '../shared/version.ts'
import { addCheck } from './commands/check.ts'
import type { State } from './commands/command.ts'
import { addCompare } from './commands/compare.ts'
import { addInspect } from './commands/inspect.ts'
import { addQuantize } from './commands/quantize.ts'
import { addTargets } from './commands/targets.ts'

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
  for (const add of [addQuantize, addCompare, addInspect, addTargets, addCheck]) add(program, state)
  return program
}
