/** `fewbit inspect`: what a model is, without running it. */
import type { Command } from 'commander'
import { type Inspection, inspect, type Port } from '../../engine/inspect.ts'
import { bytes, table } from '../table.ts'
import { JSON_OPTION, type JsonOption, type State } from './command.ts'

const EXAMPLES = `
Examples:
  $ fewbit inspect model.onnx
  $ fewbit inspect model.onnx --json | jq .operators`

export function addInspect(program: Command, _: State): void {
  program
    .command('inspect')
    .summary('say what a model is: operators, sizes, inputs')
    .description(
      'Reads a model without running it: inputs and outputs, operators, parameters, and what takes the space.',
    )
    .argument('<model>', 'the ONNX file; external data lies beside it')
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, { json }: JsonOption) => {
      const found = await inspect(model)
      console.log(json ? JSON.stringify(found, null, 1) : describe(found))
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

const describePort = ({ name, dtype, shape }: Port): string =>
  `${name}: ${dtype ?? 'no tensor'}${shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : ', of any rank'}`
