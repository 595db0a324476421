/** Optimizers as nodes: each turns the numbers of a slot, their moments and their gradient into the next ones. */
import { addInitializer } from '../../ir/build.ts'
import type { Value } from '../../ir/graph.ts'
import { elementCount, float32 } from '../../ir/tensor.ts'
import { packSlot, type Slot } from './layout.ts'
import type { ParameterKind } from './parameter.ts'
import { constantOf, emit, type Site } from './pseudo.ts'

export interface UpdateInputs {
  site: Site
  slot: Slot
  now: Value
  moments: readonly Value[]
  gradient: Value
  /** scalar: shortens the gradient */
  shorten: Value
  /** scalar that is fed: `Optimizer.rate` of the schedule's learning rate */
  rate: Value
  /** scalar that is fed, learning rate · weight decay; null without decay */
  decay: Value | null
}

export interface Update {
  next: Value
  moments: Value[]
}

export interface Optimizer {
  /** numbers kept per parameter */
  moments: number
  /** what is fed as `rate` in this step, counted from 1 */
  rate(learningRate: number, step: number): number
  update(inputs: UpdateInputs): Update
}

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8
const MOMENTUM = 0.9

/**
 * Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019). Learning rates are relative to each parameter's unit:
 * an integer step, a usual bias, the scale itself. Folded normalizations make weights of neighbouring channels differ by orders of magnitude.
 */
const adamw: Optimizer = {
  moments: 2,
  rate: (learningRate, step) => (learningRate * Math.sqrt(1 - BETA2 ** step)) / (1 - BETA1 ** step),
  update: ({ site, slot, now, moments, gradient, shorten, rate, decay }) => {
    const number = (value: number) => constantOf(site, 'k', value)
    const [m, v] = moments as [Value, Value]
    const squared = emit(site, 'Mul', [gradient, gradient])
    const first = emit(site, 'Mul', [shorten, number(1 - BETA1)])
    const second = emit(site, 'Mul', [emit(site, 'Mul', [shorten, shorten]), number(1 - BETA2)])
    const nextM = emit(site, 'Add', [emit(site, 'Mul', [m, number(BETA1)]), emit(site, 'Mul', [gradient, first])])
    const nextV = emit(site, 'Add', [emit(site, 'Mul', [v, number(BETA2)]), emit(site, 'Mul', [squared, second])])
    const direction = emit(site, 'Div', [nextM, emit(site, 'Add', [emit(site, 'Sqrt', [nextV]), number(EPSILON)])])
    const step = emit(site, 'Mul', [direction, emit(site, 'Mul', [unitOf(site, slot), rate])])
    return { next: moved(site, slot, now, step, decay), moments: [nextM, nextV] }
  },
}

/** Stochastic gradient descent with momentum, in the numbers' own units. */
const sgd: Optimizer = {
  moments: 1,
  rate: (learningRate) => learningRate,
  update: ({ site, slot, now, moments, gradient, shorten, rate, decay }) => {
    const kept = emit(site, 'Mul', [moments[0]!, constantOf(site, 'momentum', MOMENTUM)])
    const velocity = emit(site, 'Add', [kept, emit(site, 'Mul', [gradient, shorten])])
    const step = emit(site, 'Mul', [velocity, rate])
    return { next: moved(site, slot, now, step, decay), moments: [velocity] }
  },
}

export const OPTIMIZERS = { adamw, sgd } as const satisfies Record<string, Optimizer>

/** now − step, less what decays; scales stay positive, and nothing falls below its least. */
function moved(site: Site, slot: Slot, now: Value, step: Value, decay: Value | null): Value {
  const faded = decay ? emit(site, 'Sub', [now, emit(site, 'Mul', [now, decayed(site, slot, decay)])]) : now
  const next = emit(site, 'Sub', [faded, step])
  if (!slot.parameters.some(({ kind, least }) => kind === 'scale' || least !== undefined)) return next
  const lowest = packSlot(slot, ({ kind, initial, least = -FLOAT32_MAX }) =>
    initial.map((x) => (kind === 'scale' ? Math.max(x * SMALLEST_PART, least) : least)),
  )
  return emit(site, 'Max', [next, addInitializer(site.model, site.graph, 'lowest', float32(slot.dims, lowest))])
}

/** a scale never falls below this part of what it started from */
const SMALLEST_PART = 0.01
const FLOAT32_MAX = 3.4e38

/** Only weights decay. */
function decayed(site: Site, slot: Slot, decay: Value): Value {
  if (!slot.packed) return slot.parameters[0]!.kind === 'weight' ? decay : constantOf(site, 'none', 0)
  const mask = packSlot(slot, ({ kind, initial }) => new Float32Array(initial.length).fill(kind === 'weight' ? 1 : 0))
  return emit(site, 'Mul', [addInitializer(site.model, site.graph, 'decays', float32(slot.dims, mask)), decay])
}

/** learning rate of a kind, relative to that of weights */
const PACE: Record<ParameterKind, number> = { weight: 1, bias: 1, scale: 1, exponent: 1, range: 0 }

/** How far a learning rate of 1 moves each number, in a shape that broadcasts over the slot. */
function unitOf(site: Site, slot: Slot): Value {
  const add = (shape: readonly number[], values: Float32Array) =>
    addInitializer(site.model, site.graph, 'unit', float32(shape, values))
  if (slot.packed) {
    return add(
      slot.dims,
      packSlot(slot, (parameter) => {
        const { unit, axis, shape, kind } = parameter
        const inner = axis === null ? 1 : elementCount(shape.slice(axis + 1))
        const of = (i: number) => (axis === null ? 0 : Math.floor(i / inner) % unit.length)
        return Float32Array.from({ length: elementCount(shape) }, (_, i) => unit[of(i)]! * PACE[kind])
      }),
    )
  }
  const { unit, axis, shape } = slot.parameters[0]!
  if (axis === null || unit.length === 1) return add([], unit)
  return add([unit.length, ...shape.slice(axis + 1).map(() => 1)], unit)
}
