/** `fewbit quantize`: from a model and data to a verified artifact in a directory. */
import { basename, extname } from 'node:path'
import { type Command, Option } from 'commander'
import type { QuantizeOptions } from '../../engine/options.ts'
import { checkGoals } from '../../jobs/attempt/check-goals.ts'
import { type Made, quantizeApart } from '../apart.ts'
import { byteCount, count, integer, positive } from '../arguments.ts'
import { EXIT } from '../failure.ts'
import { type ProgressView, progressOn, silent } from '../progress.ts'
import { type Asked, optionsOf } from '../quantize-options.ts'
import { styled } from '../style.ts'
import { summary } from '../summary.ts'
import { JSON_OPTION, type State } from './command.ts'
import { addData } from './data-options.ts'
import { quantizeFolder } from './quantize-folder.ts'
import { addFormat, addGoals, addMethod, addTarget, goalsOf } from './recipe-options.ts'

const EXAMPLES = `
Data is an .npz archive with one array per input of the model, the first axis of each counting samples (numpy.savez);
an array named labels holds the classes.

Examples:
  $ fewbit quantize model.onnx --calibration data.npz
  $ fewbit quantize model.onnx --calibration data.npz --evaluation test.npz --max-accuracy-drop 0.01
  $ fewbit quantize model.onnx --method auto --calibration data.npz --min-speedup 2     tries methods until one meets the goals
  $ fewbit quantize model.onnx --target npu-qnn-htp --calibration data.npz --input-shape x=1,3,224,224 -o npu
  $ fewbit quantize model.onnx --target mobile-tflite --format tflite --calibration data.npz
  $ fewbit quantize model.onnx --target cpu-int4 --set bits=4 --set block_size=32
  $ fewbit quantize my-model --for transformers.js --dtypes q8,q4     a folder of Hugging Face, with onnx/*_quantized.onnx and onnx/*_q4.onnx
  $ fewbit quantize model.onnx --calibration data.npz --set observer=percentile --set min_sqnr_db=30

Ctrl-C ends the search and keeps the best so far, verified; pressed again it ends at once and leaves nothing behind.`

export function addQuantize(program: Command, state: State): void {
  const command = program
    .command('quantize')
    .summary('make a model smaller and faster, and prove what it costs')
    .description('Quantizes a model for a target, runs the result beside the float model, and writes it with a report.')
    .argument('<model>', 'the ONNX file, external data beside it; with --for also a folder')
  for (const addGroup of [addWhat, addData, addGoals, addRun]) addGroup(command)
  command.addHelpText('after', EXAMPLES).action((model: string, asked: Asked) => quantize(model, asked, state))
}

function addWhat(command: Command): void {
  addTarget(command.optionsGroup('What to make:'))
    .addOption(new Option('--for <library>', 'a folder with every dtype that it loads').choices(['transformers.js']))
    .option('--dtypes <names>', 'with --for: all, or as in q8,q4,fp16')
  addMethod(command)
  addFormat(command)
}

function addRun(command: Command): void {
  command
    .optionsGroup('Run:')
    .option('-o, --output <directory>', 'where the files go; by default <model>-<target> in the current directory')
    .option('-f, --force', 'replace the files of an earlier run there')
    .option('--threads <count>', 'of one run', integer)
    .option('--memory <bytes>', 'models too large for it run in parts: 4G', byteCount)
    .option('--checkpoint <file>', 'where training keeps its state, and goes on from')
    .option('--max-seconds <seconds>', 'ends early enough to keep the best so far', positive)
    .option('--seed <number>', 'of everything that is drawn', count)
    .option('-q, --quiet', 'no progress')
    .option(...JSON_OPTION)
}

async function quantize(model: string, asked: Asked, state: State): Promise<void> {
  if (asked.for) return quantizeFolder(model, asked, run)
  const output = asked.output ?? `${basename(model, extname(model))}-${nameOf(asked.target)}`
  const view = asked.quiet ? silent : progressOn(process.stderr)
  const goals = goalsOf(asked)
  const options = { ...optionsOf(asked), goals, output, overwrite: asked.force ?? false }
  const made = await run(model, options, view).finally(view.clear)
  const missed = checkGoals(goals, made.report.metrics)
  if (asked.json)
    console.log(
      JSON.stringify({ files: made.files, missed: missed.map(({ detail }) => detail), report: made.report }, null, 1),
    )
  else console.log(summary(made, missed, process.stdout))
  if (missed.length > 0) state.exitCode = EXIT.missed
}

const run = (model: string, options: QuantizeOptions & { output: string }, view: ProgressView): Promise<Made> =>
  quantizeApart({
    model,
    options,
    onMessage: view.take,
    onStopping: () => {
      view.clear()
      console.error(styled(process.stderr, 'yellow', 'stopping with the best so far; Ctrl-C again ends at once'))
    },
  })

const nameOf = (target: Asked['target']): string => (typeof target === 'string' ? target : target.id)
