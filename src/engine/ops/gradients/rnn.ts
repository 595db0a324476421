/** The gradient of one direction of a plain recurrent layer. */

import type { Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { backThroughSteps, type Cell, eachStep, outer, overSteps, previousStates, tanhSlope } from './recurrent-cell.ts'

export const RNN: Cell = (g, direction) => {
  const states = previousStates(g, direction)
  const slopes = eachStep(g, tanhSlope(g, direction.y))
  const dz: Value[] = []
  const h0 = backThroughSteps(g, direction, (t, dh) => {
    dz[t] = g.mul(dh, at(slopes, t))
    return g.matMul(dz[t], direction.r)
  })
  const all = g.concat(dz, 0)
  const bias = overSteps(g, all)
  return {
    x: g.matMul(all, direction.w),
    w: outer(g, all, direction.x),
    r: outer(g, all, states),
    b: g.concat([bias, bias], 0),
    h0,
  }
}
