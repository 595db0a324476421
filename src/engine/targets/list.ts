/** Writes operator tables shorter: one line of names per kind of support. */
import { type Words, wordsOf } from '../ir/words.ts'
import type { IntegerOpName } from '../ops/index.ts'
import type { OperatorSupport } from './target.ts'

/** A text of names that are all operators; anything else is said in the compiler's message. */
type Operators<Names extends string> = [Words<Names>] extends [IntegerOpName]
  ? Names
  : { 'is not an operator that computes in integers': Exclude<Words<Names>, IntegerOpName> }

/** `names`: operators, separated by spaces. */
export const listed = <const Names extends string>(
  names: Operators<Names> & Names,
  support: OperatorSupport = { output: 'required' },
): Record<Words<Names>, OperatorSupport> =>
  Object.fromEntries(wordsOf<Names>(names).map((name) => [name, support])) as Record<Words<Names>, OperatorSupport>
