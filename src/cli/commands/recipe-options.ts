/** The options that say what to make and what it must reach, which several subcommands have. */
import { type Command, Option } from 'commander'
import type { Goals } from '../../contract/goals.ts'
import { FORMAT_NAMES, METHOD_NAMES } from '../../contract/recipe.ts'
import { byteCount, inputValue, json, list, number, pairs, positive, sizes, target } from '../arguments.ts'
import type { Asked } from '../quantize-options.ts'

export const addTarget = (command: Command): Command =>
  command.option('-t, --target <name|file.json>', 'the hardware; `fewbit targets` lists it', target, 'cpu-int8')

export function addMethod(command: Command): void {
  command
    .addOption(
      new Option(
        '-m, --method <name>',
        'auto by default, which tries them until one meets the goals; with --set the usual one of the target',
      ).choices(METHOD_NAMES),
    )
    .option('--set <name=value>', 'an option of the method, repeatable: --set bits=4', pairs('bits=4', json))
    .option('--exclude-op <operator>', 'stays float, repeatable: --exclude-op Softmax', list)
    .option('--exclude-node <pattern>', 'nodes whose whole name matches stay float, repeatable', list)
    .option(
      '--input-shape <name=sizes>',
      'fixes a shape, repeatable: --input-shape x=1,3,224,224',
      pairs('x=1,3,224,224', sizes),
    )
    .option(
      '--input-value <name=value>',
      'an input that always is so, repeatable: --input-value sr=16000',
      pairs('sr=16000', inputValue),
    )
}

export function addFormat(command: Command): void {
  command
    .addOption(new Option('--format <name>', 'what is written: onnx by default').choices(FORMAT_NAMES))
    .addOption(new Option('--tflite-io <type>', 'what goes in and comes out of a .tflite').choices(['int8', 'float32']))
    .addOption(
      new Option('--tflite-images <order>', 'how pictures lie there: nhwc by default').choices(['nhwc', 'nchw']),
    )
}

export function addGoals(command: Command): void {
  command
    .optionsGroup('Goals (missed: exit code 3, files are written all the same):')
    .option('--max-accuracy-drop <number>', 'as a fraction: 0.01', number)
    .option('--min-speedup <number>', 'times the float model: 1.2', positive)
    .option('--max-size <bytes>', 'of the artifact: 5M', byteCount)
}

export const goalsOf = ({ maxAccuracyDrop, minSpeedup, maxSize }: Asked): Goals => ({
  ...(maxAccuracyDrop !== undefined && { max_accuracy_drop: maxAccuracyDrop }),
  ...(minSpeedup !== undefined && { min_speedup: minSpeedup }),
  ...(maxSize !== undefined && { max_size_bytes: maxSize }),
})
