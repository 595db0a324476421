/** `fewbit check`: whether a model, whoever made it, obeys a target. */
import type { Command } from 'commander'
import type { Conformance } from '../../engine/check.ts'
import type { QuantizeOptions } from '../../engine/options.ts'
import { target } from '../arguments.ts'
import { EXIT } from '../failure.ts'
import { styled } from '../style.ts'
import { JSON_OPTION, type JsonOption, type State } from './command.ts'

const EXAMPLES = `
Examples:
  $ fewbit check model.onnx --target npu-qnn-htp
  $ fewbit check model.onnx --target mine.json --json | jq '.violations[].rule' | sort | uniq -c

Exit codes: 0 every rule is kept, 1 rules are broken or the model cannot be loaded, 2 wrong usage.`

interface Asked extends JsonOption {
  target: QuantizeOptions['target']
}

export function addCheck(program: Command, state: State): void {
  program
    .command('check')
    .summary("hold any quantized model against a target's rules")
    .description(
      'Reads a model, made by any tool, and names every node that breaks a rule of the target, with where the rule comes from.',
    )
    .argument('<model>', 'the ONNX file; external data lies beside it')
    .requiredOption('-t, --target <name|file.json>', 'the hardware; `fewbit targets` lists it', target)
    .option(...JSON_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, asked: Asked) => {
      // ONNX Runtime is loaded where it is needed: help and errors come at once
      const { check } = await import('../../engine/check.ts')
      const found = await check(model, asked.target)
      console.log(asked.json ? JSON.stringify(found, null, 1) : describe(found))
      if (!found.ok) state.exitCode = EXIT.failed
    })
}

function describe({ target, nodes, ok, violations }: Conformance): string {
  const red = (text: string) => styled(process.stdout, 'red', text)
  if (ok) return `${styled(process.stdout, 'green', 'ok:')} ${nodes} nodes keep every rule of ${target}`
  const lines = violations.map(({ node, rule, detail }) => `  ${node || '(without a name)'}: ${rule}: ${detail}`)
  const sources = [...new Set(violations.map(({ source }) => source))]
  return [
    `${red('broken:')} ${violations.length} rules of ${target}`,
    ...lines,
    ...sources.map((source) => `source: ${source}`),
  ].join('\n')
}
