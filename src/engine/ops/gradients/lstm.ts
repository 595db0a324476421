/** The gradient of one direction of an LSTM; gates in ONNX's order i, o, f, c. */

import type { Value } from '../../ir/graph.ts'
import { at, leading } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'
import {
  backThroughSteps,
  biases,
  type Cell,
  type Direction,
  eachGate,
  eachStep,
  hiddenOf,
  initialState,
  logisticSlope,
  outer,
  overSteps,
  previousStates,
  project,
  tanhSlope,
} from './recurrent-cell.ts'

/** The cell before each step and after it, computed again: the operator gives only the last. */
function cells(g: Emitter, forget: Value, update: Value, first: Value): { before: Value; after: Value } {
  const [f, u] = [eachStep(g, forget), eachStep(g, update)]
  const states = [first]
  f.forEach((gate, t) => {
    states.push(g.add(g.mul(gate, at(states, t)), at(u, t)))
  })
  return { before: g.concat(states.slice(0, -1), 0), after: g.concat(states.slice(1), 0) }
}

/** What the gradients of cell and state are multiplied by at each step. */
function slopes(g: Emitter, direction: Direction, states: Value) {
  const hidden = hiddenOf(direction)
  const [inputBias, stateBias] = biases(g, direction)
  const z = g.add(project(g, direction.x, direction.w, inputBias), project(g, states, direction.r, stateBias))
  const [zi, zo, zf, zc] = leading(4, eachGate(g, z, hidden))
  const [i, o, f] = leading(
    3,
    [zi, zo, zf].map((gate) => g.unary('Sigmoid', gate)),
  )
  const candidate = g.unary('Tanh', zc)
  const { before, after } = cells(g, f, g.mul(i, candidate), initialState(g, direction, direction.c0))
  const tanh = g.unary('Tanh', after)
  const gates = g.concat(
    [
      g.mul(candidate, logisticSlope(g, i)),
      g.mul(tanh, logisticSlope(g, o)),
      g.mul(before, logisticSlope(g, f)),
      g.mul(i, tanhSlope(g, candidate)),
    ],
    2,
  )
  return { gates: eachStep(g, gates), cell: eachStep(g, g.mul(o, tanhSlope(g, tanh))), forget: eachStep(g, f) }
}

export const LSTM: Cell = (g, direction) => {
  const states = previousStates(g, direction)
  const { gates, cell, forget } = slopes(g, direction, states)
  const dz: Value[] = []
  let dc = direction.dc
  const h0 = backThroughSteps(g, direction, (t, dh) => {
    const through = g.mul(dh, at(cell, t))
    const total = dc ? g.add(through, dc) : through
    dz[t] = g.mul(g.concat([total, dh, total, total], 2), at(gates, t))
    dc = g.mul(total, at(forget, t))
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
    ...(dc && { c0: dc }),
  }
}
