/** Writes operator tables shorter: one line of names per kind of support. */
import type { OperatorSupport } from './target.ts'

/** `names`: operators, separated by spaces. */
export const listed = (
  names: string,
  support: OperatorSupport = { output: 'required' },
): Record<string, OperatorSupport> => Object.fromEntries(names.split(/\s+/).map((name) => [name, support]))
