/** One direction of a recurrent layer, and what its gradient is made of. Steps are kept as an axis of size 1. */

import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'
import { range } from './shapes.ts'

export interface Direction {
  /** [steps, batch, inputs] */
  x: Value
  /** [gates · hidden, inputs], [gates · hidden, hidden], [2 · gates · hidden] */
  w: Value
  r: Value
  b: Value | undefined
  /** the states of all steps, [steps, batch, hidden] */
  y: Value
  /** [1, batch, hidden] */
  h0: Value | undefined
  c0: Value | undefined
  /** upstream gradients of all states, of the last state and of the last cell */
  dy: Value | undefined
  dh: Value | undefined
  dc: Value | undefined
}

export interface DirectionGradients {
  x: Value
  w: Value
  r: Value
  b: Value
  h0: Value
  c0?: Value
}

export type Cell = (g: Emitter, direction: Direction, node: Node) => DirectionGradients

export const stepsOf = ({ x }: Direction): number => x.shape?.[0] as number
export const hiddenOf = ({ r }: Direction): number => r.shape?.[1] as number

/** One value per step, [1, batch, …]. */
export const eachStep = (g: Emitter, value: Value): Value[] => {
  const steps = value.shape?.[0] as number
  return steps === 1
    ? [value]
    : g.split(
        value,
        0,
        range(steps).map(() => 1),
      )
}

/** Parts of the last axis, each of `hidden` size. */
export const eachGate = (g: Emitter, value: Value, hidden: number): Value[] => {
  const axis = (value.shape?.length ?? 1) - 1
  const count = (value.shape?.[axis] as number) / hidden
  return count === 1
    ? [value]
    : g.split(
        value,
        axis,
        range(count).map(() => hidden),
      )
}

export const initialState = (g: Emitter, direction: Direction, given: Value | undefined): Value =>
  given ?? g.zerosLike(at(eachStep(g, direction.y), 0))

/** The state before each step. */
export function previousStates(g: Emitter, direction: Direction): Value {
  const first = initialState(g, direction, direction.h0)
  const steps = stepsOf(direction)
  return steps === 1 ? first : g.concat([first, g.slice(direction.y, [0], [steps - 1], [0])], 0)
}

/** x · wᵀ (+ bias) for all steps */
export function project(g: Emitter, x: Value, w: Value, bias?: Value): Value {
  const product = g.matMul(x, g.transpose(w, [1, 0]))
  return bias ? g.add(product, bias) : product
}

/** The bias of the input's and of the state's projection. */
export const biases = (g: Emitter, { b }: Direction): [Value | undefined, Value | undefined] => {
  if (!b) return [undefined, undefined]
  const half = (b.shape?.[0] as number) / 2
  const [input, state] = g.split(b, 0, [half, half])
  return [input, state]
}

/** dzᵀ · x over all steps and samples */
export const outer = (g: Emitter, dz: Value, x: Value): Value => g.gemm(g.asMatrix(dz), g.asMatrix(x), { transA: 1 })

/** Sum over steps and samples. */
export const overSteps = (g: Emitter, dz: Value): Value => g.reduceSum(dz, [0, 1], false)

/** s · (1 − s) and 1 − t² */
export const logisticSlope = (g: Emitter, s: Value): Value => g.sub(s, g.square(s))
export const tanhSlope = (g: Emitter, t: Value): Value => g.sub(g.scalar(1, t), g.square(t))

/**
 * Goes through the steps from the last to the first. `step` gets what arrives at the state of step t and returns the gradient
 * of the state before it.
 */
export function backThroughSteps(g: Emitter, direction: Direction, step: (t: number, dh: Value) => Value): Value {
  const steps = stepsOf(direction)
  const arriving = direction.dy && eachStep(g, direction.dy)
  let dh = direction.dh
  for (let t = steps - 1; t >= 0; t--) {
    const parts = [dh, arriving?.[t]].filter((value) => value !== undefined)
    dh = step(t, parts.length > 0 ? g.sum(parts) : g.zerosLike(at(eachStep(g, direction.y), 0)))
  }
  return dh as Value
}
