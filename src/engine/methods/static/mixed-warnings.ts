/** What mixed precision has to tell: a goal that was missed, and a network that was rescued because its outputs were of no use. */
import type { Warning } from '../../../contract/report.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import type { Mixed } from './mixed-precision.ts'

/** `goal` in dB as the job asked for it; undefined where nobody did and mixed precision was a rescue. */
export function mixedWarnings(target: IntegerTarget, goal: number | undefined, mixed: Mixed): Warning[] {
  if (goal === undefined) return rescued(target, mixed)
  if (mixed.reached >= goal) return []
  const detail = `min_sqnr_db asks for ${goal} dB; the outputs reach ${mixed.reached.toFixed(1)} dB on the samples that judge (${mixed.before.toFixed(1)} dB before layers left the 8-bit integers, ${mixed.count} did). What else to try: ${whatElse(target)}`
  return [{ code: 'fidelity_goal_missed', detail }]
}

function rescued(target: IntegerTarget, { before, reached, count }: Mixed): Warning[] {
  if (count === 0) return []
  const refuge = target.wide_activation ? 'have 16-bit activations' : 'stay float'
  const detail = `with every layer in 8-bit integers the outputs kept ${before.toFixed(1)} dB; ${count} layers ${refuge} now, which gives ${reached.toFixed(1)} dB. The plan has the reason of each. ${target.wide_activation ? '' : 'At least half of the multiplications and weights stay in integers; '}min_sqnr_db sets a goal of your own, and what else could help: ${whatElse(target)}`
  return [{ code: 'mixed_precision', detail }]
}

function whatElse({ methods, wide_activation, float_operators }: IntegerTarget): string {
  return [
    ...(wide_activation ? ['activation_bits 16 from the start'] : []),
    'adaround: true or refine: true, which adapt the weights',
    ...(methods.includes('qat') ? ['training with the method qat'] : []),
    ...(methods.includes('dynamic') ? ['the method dynamic, which reads ranges at run time'] : []),
    ...(float_operators === 'allowed' ? ['excluding the layers that the report lists first'] : []),
  ].join('; ')
}
