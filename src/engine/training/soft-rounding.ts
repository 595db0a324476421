/**
 * Weights of which each is to be rounded up or down: the integer below, plus a part h between 0 and 1 that is trained.
 * Source: Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization" (2020), section 4: the rectified sigmoid. Instead of a penalty,
 * a sigmoid that becomes a step drives h to 0 or 1, so that what is trained at the end is what is used.
 */
import { addInitializer } from '../ir/build.ts'
import type { Value } from '../ir/graph.ts'
import { float32, type Tensor } from '../ir/tensor.ts'
import { channelLayout, clippingRange } from '../quant/math.ts'
import type { Parameter } from './parameter.ts'
import { constantOf, emit, type Site } from './pseudo.ts'
import type { ConstantSite } from './sites.ts'

/** h = clip(STRETCH · sigmoid(sharpness · v) − SHIFT, 0, 1) */
const STRETCH = 1.2
const SHIFT = 0.1

/** weight of what adaptive rounding by layers chose, beside what the weight itself says */
const TRUST = 0.5
/** of v at a learning rate of 1 */
const UNIT = 30

export interface SoftRounding {
  parameter: Omit<Parameter, 'value'>
  /** Adds the rounded weight that `v` stands for; `sharpness` is a scalar from 1 on. */
  add(site: Site, v: Value, sharpness: Value): Value
  /** The weights on integers. */
  harden(v: Float32Array): Float32Array
}

/** `unrounded`: the weights, where those of the site lie on integers already. */
export function softRounding(
  { key, values, shape, plan, scales, zeroPoints }: ConstantSite,
  unrounded = values,
): SoftRounding {
  const scaleOf = alongAxis(scales, values.length, shape, plan.axis)
  const zeroOf = alongAxis(zeroPoints, values.length, shape, plan.axis)
  const [first, last] = clippingRange(plan.qtype, plan)
  const within = (x: number, i: number) => Math.min(Math.max(x, first - zeroOf(i)), last - zeroOf(i))
  const chosen = values.map((value, i) => within(Math.round(value / scaleOf(i)), i))
  const lower = values.map((_, i) => {
    const below = Math.min(Math.floor(within(unrounded[i]! / scaleOf(i), i)), last - zeroOf(i) - 1)
    return unrounded === values ? below : Math.min(Math.max(below, chosen[i]! - 1), chosen[i]!)
  })
  const part = values.map((_, i) => {
    const own = Math.min(Math.max(unrounded[i]! / scaleOf(i) - lower[i]!, 0), 1)
    return unrounded === values ? own : (1 - TRUST) * own + TRUST * (chosen[i]! - lower[i]!)
  })
  return {
    parameter: { key, kind: 'rounding', shape, initial: part.map(inverse), unit: Float32Array.of(UNIT), axis: null },
    add: (site, v, sharpness) => addRounding(site, v, sharpness, lower, spread(scales, shape, plan.axis)),
    harden: (v) => v.map((x, i) => (lower[i]! + (x > 0 ? 1 : 0)) * scaleOf(i)),
  }
}

const inverse = (part: number): number => {
  const sigmoid = (part + SHIFT) / STRETCH
  return Math.log(sigmoid / (1 - sigmoid))
}

function alongAxis(values: Float32Array, length: number, shape: readonly number[], axis: number | null) {
  const { channels, inner } = axis === null ? { channels: 1, inner: length } : channelLayout(shape, axis)
  return (i: number): number => values[Math.floor(i / inner) % channels]!
}

/** The scales in a shape that broadcasts over the weight. */
const spread = (scales: Float32Array, shape: readonly number[], axis: number | null) =>
  float32(axis === null ? [] : shape.map((dim, i) => (i === axis ? dim : 1)), scales)

function addRounding(site: Site, v: Value, sharpness: Value, lower: Float32Array, scales: Tensor): Value {
  const { model, graph } = site
  const like = (value: Value) => Object.assign(value, { dtype: 'float32' as const, shape: v.shape })
  const number = (x: number) => constantOf(site, 'k', x)
  const sigmoid = like(emit(site, 'Sigmoid', [like(emit(site, 'Mul', [v, sharpness]))]))
  const stretched = like(emit(site, 'Sub', [like(emit(site, 'Mul', [sigmoid, number(STRETCH)])), number(SHIFT)]))
  const part = like(emit(site, 'Clip', [stretched, number(0), number(1)]))
  const below = addInitializer(model, graph, 'lower', float32(v.shape as number[], lower))
  const integers = like(emit(site, 'Add', [below, part]))
  return like(emit(site, 'Mul', [integers, addInitializer(model, graph, 'steps', scales)]))
}
