/** Scales that follow the data: computed in the graph from ranges, as `scaleZeroPoint` computes them from numbers. */
import { addInitializer } from '../../ir/build.ts'
import type { Value } from '../../ir/graph.ts'
import { int64 } from '../../ir/tensor.ts'
import { clippingRange, integerRange, type QuantSpec, smallestScale } from '../../quant/math.ts'
import { constantOf, emit, type Site } from './pseudo.ts'
import type { Group } from './sites.ts'

export interface Scale {
  scale: Value
  zeroPoint: Value
}

/** Scale and zero point of a range [low, high] that is followed; `scaleZeroPoint` says the same of numbers. */
export function scaleOfRange(site: Site, spec: QuantSpec, range: Value): Scale {
  const [first, last] = integerRange(spec.qtype, spec)
  const number = (value: number) => constantOf(site, 'k', value)
  const at = (index: number) =>
    emit(site, 'Gather', [range, addInitializer(site.model, site.graph, 'at', int64([], [index]))])
  const low = emit(site, 'Min', [at(0), number(0)])
  const high = emit(site, 'Max', [at(1), number(0)])
  const reach = emit(site, 'Max', [emit(site, 'Neg', [low]), high])
  const width = spec.symmetric ? emit(site, 'Mul', [reach, number(2)]) : emit(site, 'Sub', [high, low])
  const step = emit(site, 'Max', [
    emit(site, 'Div', [width, number(last - first)]),
    number(Math.max(SMALLEST_SCALE, smallestScale(spec))),
  ])
  const scale = spec.powerOfTwo ? roundedUp(site, step) : step
  scale.shape = []
  const offset = emit(site, 'Sub', [number(first), emit(site, 'Div', [low, scale])])
  const zeroPoint = emit(site, 'Round', [spec.symmetric ? number((first + last) / 2) : offset])
  return { scale, zeroPoint }
}

/** keeps quotients finite where everything is 0 */
export const SMALLEST_SCALE = 2 ** -100

/** The smallest power of two that is not below a scale. */
export function roundedUp(site: Site, step: Value): Value {
  const log2 = emit(site, 'Div', [emit(site, 'Log', [step]), constantOf(site, 'ln2', Math.LN2)])
  return emit(site, 'Pow', [constantOf(site, 'two', 2), emit(site, 'Ceil', [log2])])
}

/** Zero point and scale that PTQ chose tell where the absorbed clamp was: a range that ended at 0 stays there. */
export function bounded(site: Site, { spec, zeroPoint, scale }: Group, extreme: Value): Value {
  const [first, last] = clippingRange(spec.qtype, spec)
  const number = (value: number) => constantOf(site, 'bound', value)
  const low = zeroPoint === first && !spec.symmetric ? 0 : (first - zeroPoint) * scale * LOOSEST
  const high = zeroPoint === last && !spec.symmetric ? 0 : (last - zeroPoint) * scale * LOOSEST
  return emit(site, 'Clip', [extreme, number(low), number(high)])
}

/** a followed range grows to at most so many times what calibration saw */
const LOOSEST = 2
