/** What every subcommand gets and gives. */
export interface State {
  /** of the process, when the command does not throw */
  exitCode: number
}

export interface JsonOption {
  json?: boolean
}

export const JSON_OPTION = ['--json', 'print one JSON object for programs'] as const
