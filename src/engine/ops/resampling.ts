/** Images at another size, or seen through a grid. */
import { activation, floatOp, integerOp, type OpTable, same } from './define.ts'
import { firstOf, needsRank } from './gradients/define.ts'
import { refusesResize, resizeGradient } from './gradients/resize.ts'

/** Cubic curves overshoot, so that the sign of the input is not kept. */
const resampling = { class: 'movement', quant: { X: activation, Y: same('X') }, defaults: { mode: 'nearest' } } as const

export const RESAMPLING = {
  Resize: integerOp({
    ...resampling,
    inputs: ['X', 'roi?', 'scales?', 'sizes?'],
    outputs: ['Y'],
    gradient: (g, { X }, { Y: dY }, _outputs, node) => ({ X: () => resizeGradient(g, X, dY, node) }),
    refusesGradient: firstOf(needsRank, refusesResize),
    example: "Y = Resize(X[1,2,3,4], _, {1.0,1.0,2.0,2.0}, mode='nearest')",
  }),
  Upsample: integerOp({
    ...resampling,
    inputs: ['X', 'scales?'],
    outputs: ['Y'],
    removedIn: 10,
    example: 'Y = Upsample(X[1,2,3,4], {1.0,1.0,2.0,2.0}) @9',
  }),
  GridSample: floatOp({
    inputs: ['X', 'grid'],
    outputs: ['Y'],
    example: 'Y = GridSample(X[1,2,3,4], grid[1,2,2,2])',
  }),
} as const satisfies OpTable
