/** `fewbit compare`: several methods and targets on one model, and which of them to take. */
import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import type { Comparison } from '../../contract/comparison.ts'
import type { Goals } from '../../contract/goals.ts'
import type { CompareOptions } from '../../engine/compare/options.ts'
import { byteCount, count, integer, methods, number, positive, targets } from '../arguments.ts'
import { comparisonText } from '../comparison-text.ts'
import { EXIT, Interrupted } from '../failure.ts'
import { watchInterrupts } from '../interrupts.ts'
import { progressOn, silent } from '../progress.ts'
import { type Asked as AskedOfOne, dataOf, limitsOf, requireTogether } from '../quantize-options.ts'
import { styled } from '../style.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addData } from './data-options.ts'

const EXAMPLES = `
Without methods, everything runs that makes sense for the targets and the data, from what costs least to what costs most.
Without --evaluation, half of the calibration data judges every method and calibrates none.

Examples:
  $ fewbit compare model.onnx --calibration data.npz
  $ fewbit compare model.onnx -c data.npz -m dynamic -m static -m static:per_channel=false
  $ fewbit compare model.onnx -t cpu-int8 -t cpu-int4 -c data.npz --evaluation test.npz --max-accuracy-drop 0.01
  $ fewbit compare model.onnx -t cpu-int8 -c data.npz --training train.npz --epochs 3 --json

Ctrl-C ends with the rows so far; pressed again it ends at once.`

interface Asked extends Omit<AskedOfOne, 'target' | 'method'> {
  target?: CompareOptions['targets']
  method?: CompareOptions['methods']
  maxSizeBytes?: number
}

export function addCompare(program: Command, state: State): void {
  const command = program
    .command('compare')
    .summary('run several methods, judge them on the same samples, and recommend one')
    .description('Quantizes a model by several methods for several targets, and says whether training pays.')
    .argument('<model>', 'the ONNX file; external data lies beside it')
    .option('-t, --target <name|file.json>', 'the hardware, repeatable; processors and GPUs by default', targets)
    .option('-m, --method <name[:option=value,...]>', 'what is tried, repeatable: -m static:observer=mse', methods)
  addData(command)
  addGoals(command)
  addRun(command)
  command.addHelpText('after', EXAMPLES).action((model: string, asked: Asked) => compare(model, asked, state))
}

function addGoals(command: Command): void {
  command
    .optionsGroup('Goals (exit code 3 where no row meets them; files are written all the same):')
    .option('--max-accuracy-drop <number>', 'as a fraction: 0.01', number)
    .option('--min-speedup <number>', 'times the float model: 1.2', positive)
    .option('--max-size-bytes <bytes>', 'of the artifact: 4M', byteCount)
}

function addRun(command: Command): void {
  command
    .optionsGroup('Run:')
    .option('-o, --output <directory>', 'by default <model>-comparison in the current directory')
    .option('-f, --force', 'replace the files of an earlier comparison there')
    .option('--threads <count>', 'of one run', integer)
    .option('--memory <bytes>', 'models too large for it run in parts: 4G', byteCount)
    .option('--max-seconds <seconds>', 'that each method may take', positive)
    .option('--seed <number>', 'of everything that is drawn', count)
    .option('-q, --quiet', 'no progress')
    .option(...JSON_OPTION)
}

async function compare(model: string, asked: Asked, state: State): Promise<void> {
  const output = asked.output ?? `${basename(model, extname(model))}-comparison`
  const comparison = await run(model, { ...optionsOf(asked), output }, asked.quiet ?? false)
  const text = asked.json ? JSON.stringify({ output, comparison }, null, 1) : comparisonText(comparison, output)
  console.log(text)
  state.exitCode = exitCodeOf(comparison)
}

/** Throws invalid_request. */
function optionsOf(asked: Asked): CompareOptions {
  const { target, method, maxAccuracyDrop: _, ...rest } = asked
  requireTogether(rest)
  return {
    ...dataOf(rest),
    ...limitsOf(rest),
    ...(target && { targets: target }),
    ...(method && { methods: method }),
    goals: goalsOf(asked),
    overwrite: asked.force ?? false,
  }
}

const goalsOf = ({ maxAccuracyDrop, minSpeedup, maxSizeBytes }: Asked): Goals => ({
  ...(maxAccuracyDrop !== undefined && { max_accuracy_drop: maxAccuracyDrop }),
  ...(minSpeedup !== undefined && { min_speedup: minSpeedup }),
  ...(maxSizeBytes !== undefined && { max_size_bytes: maxSizeBytes }),
})

async function run(model: string, options: CompareOptions, isQuiet: boolean): Promise<Comparison> {
  // ONNX Runtime is loaded where it is needed: help and errors come at once
  const engine = await import('../../engine/compare/index.ts')
  const view = isQuiet ? silent : progressOn(process.stderr)
  const stop = new AbortController()
  const interrupts = watchInterrupts(() => {
    stop.abort()
    console.error(styled(process.stderr, 'yellow', 'stopping with the rows so far; Ctrl-C again ends at once'))
  })
  const { signal } = interrupts
  const onProgress: CompareOptions['onProgress'] = ({ target, name, fraction, message }) =>
    view.take({ type: 'progress', phase: `${target} ${name}`, fraction, message })
  try {
    return (await engine.compare(model, { ...options, stop: stop.signal, signal, onProgress })).comparison
  } catch (error) {
    throw signal.aborted ? new Interrupted(Number(signal.reason)) : error
  } finally {
    view.clear()
    interrupts.close()
  }
}

function exitCodeOf({ rows, goals }: Comparison): number {
  const ran = rows.filter(({ method, status }) => method !== 'float' && status === 'succeeded')
  if (ran.length === 0) return EXIT.failed
  const hasGoals = Object.keys(goals).length > 0
  return hasGoals && !ran.some(({ meets_goals }) => meets_goals) ? EXIT.missed : EXIT.done
}
