/** The options that name data sets, which several subcommands have. */
import { type Command, Option } from 'commander'
import { PRESETS } from '../../contract/images.ts'
import { METRIC_NAMES } from '../../contract/recipe.ts'
import { count, images, integer, pairs, positive, scaling, text } from '../arguments.ts'

export function addData(command: Command): void {
  command
    .optionsGroup('Data:')
    .option('-c, --calibration <file.npz>', 'samples from which ranges are read')
    .option('--calibration-samples <count>', 'so many of them, drawn over all', integer)
    .option('-e, --evaluation <file.npz>', 'samples to measure accuracy and fidelity on')
    .addOption(new Option('--metric <name>', 'of the accuracy').choices(METRIC_NAMES))
    .option('--word-separator <class>', 'with --metric wer: the class that stands between words', count)
    .option('--training <file.npz>', 'samples to train on (method qat)')
    .option(
      '--images <preset|spec.json>',
      `data are .zip archives of pictures, prepared as ${Object.keys(PRESETS).join(', ')}, or as a file says: a spec, or preprocessor_config.json`,
      images,
    )
    .option(
      '--text <tokens|spec.json>',
      'data are .zip archives with a .jsonl and a tokenizer.json: so many tokens per sample, or a file with the spec',
      text,
    )
    .option('--epochs <number>', 'how long to train', positive)
    .option('--steps <count>', 'instead of epochs', integer)
    .option(
      '--scale <array=scale[,offset]>',
      'how stored integers become floats, repeatable: --scale x=0.00392',
      pairs('x=0.00392', scaling),
    )
}
