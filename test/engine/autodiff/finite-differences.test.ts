/** Gradients where attributes and shapes are unusual; the plain example of every operator is in the operator table. */
import { describe, test } from 'node:test'
import { CASES } from './cases.ts'
import { examine } from './examine.ts'

describe('finite differences agree with the gradient of', () => {
  for (const [name, of] of Object.entries(CASES)) test(name, () => examine(of))
})
