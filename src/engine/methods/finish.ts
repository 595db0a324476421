/** What is done to an artifact after its method. */
import { forgetTypes } from '../passes/forget-types.ts'
import { packWeights } from '../passes/pack-weights.ts'
import type { Pass } from '../passes/pass.ts'
import { removeUnused } from '../passes/remove-unused.ts'
import { shareInitializers } from '../passes/share-initializers.ts'
import { shareTransposed } from '../passes/share-transposed.ts'
import { storeIntegers } from '../prepare/integer-weights.ts'
import type { Target } from '../targets/target.ts'

/** What every artifact needs. */
export const FINISH: readonly Pass[] = [removeUnused, shareInitializers, forgetTypes]

/** What is done to every artifact, and what 4-bit weights need besides; a processor of its own takes weights only as its rules say. */
export function finishFor(target: Target): readonly Pass[] {
  const isForeign = target.kind === 'integer' && target.hardware !== 'cpu'
  if (isForeign) return [...packingFor(target), ...FINISH]
  return [removeUnused, storeIntegers, ...packingFor(target), ...FINISH, shareTransposed]
}

function packingFor(target: Target): readonly Pass[] {
  if (target.kind !== 'integer') return []
  const { dtype } = target.weight
  return dtype === 'int4' || dtype === 'uint4' ? [packWeights(dtype)] : []
}
