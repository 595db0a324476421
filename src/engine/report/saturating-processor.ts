/** The warning about a processor whose sums of 8-bit products saturate, and the target that is made for such. */
import { factsOf } from '../../contract/method-facts.ts'
import type { Recipe } from '../../contract/recipe.ts'
import type { Warning } from '../../contract/report.ts'
import { isCompat } from '../prepare/rewrites.ts'
import { TARGETS } from '../targets/index.ts'
import { runsHere, type Target } from '../targets/target.ts'

const NARROWED = TARGETS['cpu-int8-avx2']

/** `saturating_processor` where an artifact with exact sums in mind is for the processor at hand, which `saturates`. */
export function saturatingProcessor(target: Target, recipe: Recipe, saturates: boolean): Warning[] {
  if (!saturates || target.kind !== 'integer' || !runsHere(target) || isCompat(recipe)) return []
  const { activation, weight, accumulator } = target
  if (!factsOf(recipe.method).inIntegers) return []
  if (accumulator === 'int16-pairs' || activation.dtype !== 'uint8' || weight.dtype !== 'int8') return []
  const detail = `this processor has no VNNI: it adds two products of uint8 and int8 in 16 bits, which saturate, so that outputs can be worse here than ${target.id} promises. The target ${NARROWED.id} narrows the weights that could saturate; take it for such processors. Fidelity and accuracy were measured with exact sums where ONNX Runtime can avoid it`
  return [{ code: 'saturating_processor', detail }]
}
