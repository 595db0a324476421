/** What may stand next on a command line, from the commands and options as commander knows them; the shells ask on every Tab. */
import type { Command, Option } from 'commander'
import { METHOD_NAMES, TARGET_NAMES } from '../contract/recipe.ts'

/** Values of options that commander does not know, by the name in their usage. */
const VALUES: Record<string, readonly string[]> = { target: TARGET_NAMES, method: METHOD_NAMES }

/** `words`: those behind `fewbit`, the last one as far as it is typed. Nothing means that a file is expected. */
export function completionsOf(program: Command, words: readonly string[]): string[] {
  const [first, ...rest] = words
  const typed = words.at(-1) ?? ''
  const command = rest.length > 0 ? program.commands.find((one) => one.name() === first) : program
  if (!command) return []
  return candidates(command, words.at(-2) ?? '', typed).filter((word) => word.startsWith(typed))
}

function candidates(command: Command, before: string, typed: string): readonly string[] {
  const options = command.createHelp().visibleOptions(command)
  const asked = options.find((option) => option.short === before || option.long === before)
  if (asked && (asked.required || asked.optional)) return valuesOf(asked)
  if (typed.startsWith('-'))
    return options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag !== undefined)
  if (command.commands.length > 0)
    return command
      .createHelp()
      .visibleCommands(command)
      .map((one) => one.name())
  return command.registeredArguments.flatMap((argument) => argument.argChoices ?? VALUES[argument.name()] ?? [])
}

const valuesOf = (option: Option): readonly string[] => option.argChoices ?? VALUES[option.attributeName()] ?? []

const ASK = 'fewbit complete --'

/** What a shell reads to complete the words of `fewbit`. Words that are typed are never evaluated. */
export const SCRIPTS = {
  bash: `_fewbit() {
  local IFS=$'\\n'
  COMPREPLY=($(${ASK} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -o bashdefault -F _fewbit fewbit
`,
  zsh: `#compdef fewbit
_fewbit() {
  local -a found
  found=("\${(@f)$(${ASK} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then compadd -- $found; else _files; fi
}
compdef _fewbit fewbit
`,
  fish: `function __fewbit
  set -l words (commandline -opc) (commandline -ct)
  ${ASK} $words[2..-1] 2>/dev/null
end
complete -c fewbit -a '(__fewbit)'
`,
}
