/** Quantization-aware training: the best static quantization is trained while its weights and activations are rounded. */

import { QatMethod } from '../../../contract/recipe.ts'
import { describePlan } from '../../plan/describe.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import type { Method } from '../method.ts'
import { macsIn, requireBatches } from '../static/index.ts'
import { searchStatic } from '../static/search-static.ts'
import { requireTraining, trainVariant } from './train-variant.ts'

/** what the search tries, as the method static does, and adaptive rounding besides: training takes longer than all of it */
const STATIC = { bias_correction: 'auto', equalize: 'auto', smooth: 'auto', adaround: 'auto' } as const

export const qatMethod: Method = async (input) => {
  const method = QatMethod.parse(input.recipe.method)
  const training = requireTraining(input.training)
  const batches = requireBatches(input.batches)
  const options = { ...STATIC, observer: method.observer, per_channel: method.per_channel }
  const { common, variant, steps, calibration } = await searchStatic(
    input,
    input.target as IntegerTarget,
    options,
    batches,
  )
  const trained = await trainVariant(input, training, method, common, variant)
  const { built } = trained
  return {
    model: built.model,
    plan: describePlan(input.recipe, built.plan, built.parameters),
    quantizedNodes: built.plan.nodes.size,
    macsInteger: macsIn([...input.prepared.model.graph.nodes], built.plan),
    calibration,
    options: { ...trained.options, observer: variant.observer.name },
    search: steps,
    training: trained.report,
    warnings: trained.warnings,
  }
}
