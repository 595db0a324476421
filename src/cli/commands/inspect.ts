/** `fewbit inspect`: what a model is, and what targets would make of it. */
import type { Command } from 'commander'
import type { Inspection, Port } from '../../engine/inspect.ts'
import type { QuantizeOptions } from '../../engine/options.ts'
import type { Outlook } from '../../engine/outlook.ts'
import { target } from '../arguments.ts'
import { bytes, table } from '../table.ts'
import { JSON_OPTION, type JsonOption, type State } from './command.ts'

/** of the reasons why weights stay large, so many are named */
const MOST = 10

const EXAMPLES = `
Examples:
  $ fewbit inspect model.onnx
  $ fewbit inspect model.onnx --target cpu-int8 --target npu-qnn-htp     what they would make of it, and what stays large
  $ fewbit inspect model.onnx --json | jq .operators`

interface Asked extends JsonOption {
  target?: QuantizeOptions['target'][]
}

export function addInspect(program: Command, _: State): void {
  program
    .command('inspect')
    .summary('say what a model is: operators, sizes, inputs')
    .description(
      'Reads a model without running it: inputs and outputs, operators, parameters, and what takes the space.',
    )
    .argument('<model>', 'the ONNX file; external data lies beside it')
    .option(
      '-t, --target <name|file.json>',
      'what it would make of the model, without data; repeatable',
      (text: string, before: Asked['target'] = []) => [...before, target(text)],
    )
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, asked: Asked) => {
      // ONNX Runtime is loaded where it is needed: help and errors come at once
      const { inspect } = await import('../../engine/inspect.ts')
      const found = await inspect(model, { targets: asked.target ?? [] })
      if (asked.json) console.log(JSON.stringify(found, null, 1))
      else console.log([describe(found), ...found.outlooks.map(describeOutlook)].join('\n'))
    })
}

function describe(found: Inspection): string {
  const opsets = Object.entries(found.opsets).map(([domain, version]) => `${domain} ${version}`)
  const types = Object.entries(found.bytesByType).map(([dtype, count]) => `${bytes(count)} ${dtype}`)
  return [
    table([
      ['size', bytes(found.bytes)],
      ['parameters', `${found.parameters.toLocaleString('en')} (${types.join(', ')})`],
      ['operator sets', opsets.join(', ')],
      ...found.inputs.map((port) => ['input', describePort(port)]),
      ...found.outputs.map((port) => ['output', describePort(port)]),
      ...found.warnings.map((warning) => ['warning', warning]),
    ]),
    section('operators', operatorsOf(found)),
    section('what is large', largestOf(found)),
  ].join('\n')
}

const section = (title: string, rows: readonly (readonly string[])[]): string =>
  `\n${title}\n${table(rows.map((row) => ['', ...row]))}`

const operatorsOf = ({ operators }: Inspection): string[][] =>
  Object.entries(operators)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => [String(count).padStart(5), name])

const largestOf = ({ largest }: Inspection): string[][] =>
  largest.map(({ name, dtype, shape, bytes: count, readers }) => [
    bytes(count).padStart(7),
    `${dtype}[${shape.join(', ')}]`,
    name,
    readers.join(', '),
  ])

function describeOutlook({ target, method, nodes, weightBytes, staysLarge, refused }: Outlook): string {
  const title = `${target}, ${method}`
  if (refused) return section(title, [[`nothing: ${refused.detail}`]])
  return section(title, [
    [`${nodes.quantized} of ${nodes.total} nodes in fewer bits`],
    [`${bytes(weightBytes.kept)} of ${bytes(weightBytes.total)} weights stay as they are`],
    ...staysLarge.slice(0, MOST).map(({ bytes: count, reason }) => [`  ${bytes(count)}  ${reason}`]),
  ])
}

const describePort = ({ name, dtype, shape }: Port): string =>
  `${name}: ${dtype ?? 'no tensor'}${shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : ', of any rank'}`
