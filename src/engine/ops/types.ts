/** Operators on element types and shapes. */
import { floatOp, type OpTable } from './define.ts'
import { floatElementwise, INPUT_OUTPUT } from './elementwise.ts'

export const TYPES = {
  Cast: floatElementwise(
    (g, X, dY) => g.castLike(dY, X),
    { example: 'output = Cast(input[2,3,4], to=11)' },
    INPUT_OUTPUT,
  ),
  CastLike: floatOp({
    inputs: ['input', 'target_type'],
    outputs: ['output'],
    gradient: (g, { input: X }, { output: dY }) => ({ input: () => g.castLike(dY, X) }),
    example: 'output = CastLike(input[2,3,4], 0.5)',
  }),
  Shape: floatOp({ inputs: ['data'], outputs: ['shape'], example: 'shape = Shape(data[2,3,4])' }),
} as const satisfies OpTable
