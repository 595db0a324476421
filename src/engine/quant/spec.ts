/** From a target's number format to the arithmetic that makes it. */
import type { IntegerTarget } from '../targets/target.ts'
import type { QuantSpec } from './math.ts'

/** The arithmetic of a number format. */
export const specOf = ({ dtype, bits, symmetric, scale, minimum_range }: IntegerTarget['weight']): QuantSpec => ({
  ...containerOf(dtype, bits),
  symmetric,
  ...(scale === 'power_of_two' && { powerOfTwo: true }),
  ...(minimum_range !== undefined && { minimumRange: minimum_range }),
})

/** Packed integers are bytes until the model is written. */
function containerOf(
  dtype: IntegerTarget['weight']['dtype'],
  bits: number | undefined,
): Pick<QuantSpec, 'qtype' | 'bits'> {
  if (dtype === 'int4' || dtype === 'uint4') return { qtype: dtype === 'int4' ? 'int8' : 'uint8', bits: bits ?? 4 }
  return { qtype: dtype, ...(bits !== undefined && { bits }) }
}

/** How the target's activations become integers. */
export const activationSpec = ({ activation }: IntegerTarget): QuantSpec => specOf(activation)
