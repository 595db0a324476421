/** The gradient of one direction of a GRU; gates in ONNX's order z, r, h. */

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
  logisticSlope,
  outer,
  overSteps,
  previousStates,
  project,
  tanhSlope,
} from './recurrent-cell.ts'

interface Gates {
  z: Value
  r: Value
  /** the candidate state */
  h: Value
  /** what the reset gate multiplies */
  gated: Value
}

/** Rows of the recurrent weights: those of z and r, and those of the candidate. */
const recurrentRows = (g: Emitter, r: Value, hidden: number): Value[] => g.split(r, 0, [2 * hidden, hidden])

/** The gates of all steps; the reset comes before the recurrent product, or behind it where `linear`. */
function gatesOf(g: Emitter, direction: Direction, states: Value, linear: boolean): Gates {
  const hidden = hiddenOf(direction)
  const [inputBias, stateBias] = biases(g, direction)
  const [gateRows, candidateRows] = leading(2, recurrentRows(g, direction.r, hidden))
  const [gateBias, candidateBias] = stateBias ? g.split(stateBias, 0, [2 * hidden, hidden]) : []
  const [xz, xr, xh] = leading(3, eachGate(g, project(g, direction.x, direction.w, inputBias), hidden))
  const [hz, hr] = leading(2, eachGate(g, project(g, states, gateRows, gateBias), hidden))
  const [z, r] = [g.unary('Sigmoid', g.add(xz, hz)), g.unary('Sigmoid', g.add(xr, hr))]
  const gated = linear ? project(g, states, candidateRows, candidateBias) : states
  const reset = g.mul(r, gated)
  const h = g.unary('Tanh', g.add(xh, linear ? reset : project(g, reset, candidateRows, candidateBias)))
  return { z, r, h, gated }
}

export const GRU: Cell = (g, direction, node) => {
  const linear = node.int('linear_before_reset', 0) === 1
  const hidden = hiddenOf(direction)
  const states = previousStates(g, direction)
  const { z, r, h, gated } = gatesOf(g, direction, states, linear)
  const [gateRows, candidateRows] = leading(2, recurrentRows(g, direction.r, hidden))
  const slopes = {
    z: eachStep(g, g.mul(g.sub(states, h), logisticSlope(g, z))),
    h: eachStep(g, g.mul(g.sub(g.scalar(1, z), z), tanhSlope(g, h))),
    r: eachStep(g, g.mul(gated, logisticSlope(g, r))),
  }
  const [keep, reset] = [eachStep(g, z), eachStep(g, r)]
  const dz: Value[] = []
  const dh: Value[] = []
  const h0 = backThroughSteps(g, direction, (t, arriving) => {
    dh[t] = g.mul(arriving, at(slopes.h, t))
    const inner = linear ? dh[t] : g.matMul(dh[t], candidateRows)
    dz[t] = g.concat([g.mul(arriving, at(slopes.z, t)), g.mul(inner, at(slopes.r, t))], 2)
    const throughReset = g.mul(inner, at(reset, t))
    const candidate = linear ? g.matMul(throughReset, candidateRows) : throughReset
    return g.sum([g.mul(arriving, at(keep, t)), g.matMul(dz[t], gateRows), candidate])
  })
  const [gates, candidate] = [g.concat(dz, 0), g.concat(dh, 0)]
  const all = g.concat([gates, candidate], 2)
  const recurrent = linear ? g.mul(candidate, r) : candidate
  const seen = linear ? states : g.mul(r, states)
  const [gateSum, recurrentSum] = [overSteps(g, gates), overSteps(g, recurrent)]
  return {
    x: g.matMul(all, direction.w),
    w: outer(g, all, direction.x),
    r: g.concat([outer(g, gates, states), outer(g, recurrent, seen)], 0),
    b: g.concat([overSteps(g, all), gateSum, recurrentSum], 0),
    h0,
  }
}
