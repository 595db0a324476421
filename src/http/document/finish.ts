/** Makes the generated OpenAPI document fit for client generators: the steps, in order. */
import { discriminateUnions } from './discriminate.ts'
import { describeErrors } from './errors.ts'
import { addExamples } from './examples.ts'
import { addIdempotency } from './idempotency.ts'
import type { Json } from './json.ts'
import { addOperationDetails, addSecurity } from './operations.ts'
import { mergeInputOutput, nameLoneInputs, pruneComponents } from './prune.ts'
import { stripNoise } from './strip.ts'
import { WEBHOOKS } from './webhooks.ts'

type Step = (document: Json) => Json

const STEPS: readonly Step[] = [
  stripNoise,
  mergeInputOutput,
  discriminateUnions,
  addOperationDetails,
  addSecurity,
  addIdempotency,
  describeErrors,
  (document) => ({ ...document, webhooks: WEBHOOKS }),
  pruneComponents,
  nameLoneInputs,
  addExamples,
]

export function finish(document: Json): Json {
  return STEPS.reduce((result, step) => step(result), document)
}
