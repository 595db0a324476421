/** Arithmetic on elements, whose operands are broadcast against each other in one order. */
import { elementCount } from '../../ir/tensor.ts'
import type { OperatorCode } from '../codes.ts'
import { bring, emit, type Stored } from '../emitter.ts'
import type { Options } from '../schema.ts'
import { asOutput, liftTo } from '../site.ts'
import type { Lowering, LoweringTable } from './define.ts'

const binary = (code: OperatorCode, options: Options, examples: Lowering['examples']): Lowering => ({
  keepsOrder: true,
  examples,
  lower: (site) => {
    const rank = site.outputShape().length
    const operands = [liftTo(site.input(0), rank), liftTo(site.input(1), rank)]
    const { order } = leadingOperand(operands)
    const inputs = operands.map((operand) => bring(site.emitter, operand, order))
    const output = site.output(order)
    const same = COMPARES.has(code) ? inputs.map((input) => asOutput(site, input)) : inputs
    emit(site.emitter, code, same, [output], options)
  },
})

/** The computed operand with the most elements: the others are brought into its order. */
function leadingOperand(operands: readonly Stored[]): Stored {
  const size = ({ tensor, shape }: Stored) => (tensor.data ? -1 : elementCount(shape))
  return operands.reduce((best, next) => (size(next) > size(best) ? next : best))
}

/** kernels that compare integers as they are: all must have the parameters of the output */
const COMPARES: ReadonlySet<OperatorCode> = new Set(['MAXIMUM', 'MINIMUM'])

const plain = { fused_activation_function: 0 }

export const ELEMENTWISE = {
  Add: binary('ADD', { type: 'AddOptions', value: { pot_scale_int16: false } }, [
    'C = Add(A[1,3,4,5], B[1,3,4,5])',
    'C = Add(A[1,3,4,5], B[3,1,1])',
    'C = Add(A[2,6], B[6])',
  ]),
  Sub: binary('SUB', { type: 'SubOptions', value: { pot_scale_int16: false } }, ['C = Sub(A[1,3,4,5], B[1,3,4,5])']),
  Mul: binary('MUL', { type: 'MulOptions', value: plain }, [
    'C = Mul(A[1,3,4,5], B[1,3,4,5])',
    'C = Mul(A[1,3,4,5], B[1,3,1,1])',
  ]),
  Div: binary('DIV', { type: 'DivOptions', value: plain }, ['C = Div(A[1,3,4,5], B[1,3,4,5]>0)']),
  Max: binary('MAXIMUM', { type: 'MaximumMinimumOptions', value: {} }, ['max = Max(data_0[1,3,4,5], data_1[1,3,4,5])']),
  Min: binary('MINIMUM', { type: 'MaximumMinimumOptions', value: {} }, ['min = Min(data_0[1,3,4,5], data_1[1,3,4,5])']),
} as const satisfies LoweringTable
