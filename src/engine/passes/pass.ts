/** A pass is a named function on a model; the graph is checked after each one. */
import { FewbitError, messageOf } from '../../shared/errors.ts'
import { check } from '../ir/check.ts'
import type { Model } from '../ir/graph.ts'

export interface Pass {
  name: string
  run(model: Model): void
}

/** Runs the passes in order. An error says which pass broke what. */
export function runPasses(model: Model, passes: readonly Pass[]): void {
  for (const pass of passes) {
    try {
      pass.run(model)
      check(model)
    } catch (error) {
      throw new FewbitError('quantization_failed', `pass ${pass.name}: ${messageOf(error)}`, {
        stage: 'prepare',
        cause: error,
      })
    }
  }
}
