/** Scale and zero point of every planned value: values that share theirs are one group with one range. */

import type { Range } from '../calibrate/range.ts'
import type { Value } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { clippingRange, extremes, type QuantSpec, type ScaleZeroPoint, scaleZeroPoint } from '../quant/math.ts'
import { saturateWith } from './absorb.ts'
import type { Plan, ValuePlan } from './plan.ts'

export interface GroupParameters extends ScaleZeroPoint {
  spec: QuantSpec
}

type Own = Exclude<ValuePlan, { kind: 'shared' }>

/** Parameters of every planned value and tied constant. `ranges` holds the calibrated ones by name. */
export function groupParameters(plan: Plan, ranges: ReadonlyMap<string, Range>): Map<Value, GroupParameters> {
  const found = new Map<Value, GroupParameters>()
  for (const group of groupsOf(plan)) {
    const parameters = parametersOf(group, plan, ranges)
    for (const value of group) found.set(value, parameters)
  }
  return found
}

/** Values joined by `shared` and by ties. */
function groupsOf({ values, ties }: Plan): Value[][] {
  const groups = new Map<Value, Value[]>()
  const groupOf = (value: Value): Value[] => {
    const group = groups.get(value) ?? [value]
    groups.set(value, group)
    return group
  }
  const join = (a: Value, b: Value) => {
    const [into, from] = [groupOf(a), groupOf(b)]
    if (into === from) return
    for (const value of from) groups.set(value, into)
    into.push(...from)
  }
  for (const [value, planned] of values) {
    groupOf(value)
    if (planned.kind === 'shared') join(planned.with, value)
  }
  for (const [first, ...others] of ties) for (const other of others) join(first!, other)
  return [...new Set(groups.values())]
}

function parametersOf(group: readonly Value[], plan: Plan, ranges: ReadonlyMap<string, Range>): GroupParameters {
  const own = group.flatMap((value) => {
    const planned = plan.values.get(value)
    return planned && planned.kind !== 'shared' ? [{ value, planned }] : []
  })
  const [first] = own
  const spec = first?.planned ?? plan.constants.find(({ value }) => group.includes(value))
  if (!spec) throw new Error(`value "${group[0]?.name}" has no parameters to share`)
  if ('kind' in spec && spec.kind === 'given') return { scale: spec.scale, zeroPoint: spec.zeroPoint, spec }
  const parts = [
    ...own.map(({ value, planned }) => rangeOf(value, planned, ranges)),
    ...group.flatMap((value) => (value.tensor ? [constantRange(value)] : [])),
    ...plan.converts.flatMap(({ to, value }) =>
      'as' in to && group.includes(to.as) ? [convertedRange(value, plan)] : [],
    ),
  ]
  const range = parts.reduce((a, b) => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) }))
  const parameters = scaleZeroPoint(range.min, range.max, spec.qtype, spec)
  const clamp = parts.length === 1 && first?.planned.kind === 'own' ? first.value.producer : null
  return { ...saturateWith(clamp, parameters, spec), spec }
}

function rangeOf(value: Value, planned: Own, ranges: ReadonlyMap<string, Range>): Range {
  if (planned.kind === 'fixed') return { min: planned.range[0], max: planned.range[1] }
  if (planned.kind === 'given') return rangeOfGiven(planned)
  const range = ranges.get(value.name)
  if (!range) throw new Error(`value "${value.name}" was not calibrated`)
  return range
}

const rangeOfGiven = (planned: Own & { kind: 'given' }): Range => rangeOfParameters(planned, planned)

/** The numbers that a format says with these parameters. */
export function rangeOfParameters({ scale, zeroPoint }: ScaleZeroPoint, spec: QuantSpec): Range {
  const [first, last] = clippingRange(spec.qtype, spec)
  return { min: (first - zeroPoint) * scale, max: (last - zeroPoint) * scale }
}

function constantRange({ tensor, name }: Value): Range {
  if (tensor?.dtype !== 'float32') throw new Error(`constant "${name}" is not float32`)
  const [min, max] = extremes(view(tensor, 'float32'))
  return { min, max }
}

function convertedRange(value: Value, plan: Plan): Range {
  const given = givenOf(value, plan)
  if (!given) throw new Error(`value "${value.name}" has no prescribed parameters`)
  return rangeOfGiven(given)
}

/** The parameters that the target prescribes for a value, directly or through what it shares. */
export function givenOf(value: Value, plan: Pick<Plan, 'values'>): (Own & { kind: 'given' }) | null {
  const planned = plan.values.get(value)
  if (planned?.kind === 'given') return planned
  return planned?.kind === 'shared' ? givenOf(planned.with, plan) : null
}
