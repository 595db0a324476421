/** One way to quantize a float model statically, built from a copy so that many can be tried. */

import type { Levels, Observer, Statistics } from '../../calibrate/observers/observer.ts'
import type { Range } from '../../calibrate/range.ts'
import { correctBiases, type InputMeans } from '../../correct/bias-correction.ts'
import { insertQuantization, type Parameters } from '../../insert/insert.ts'
import { keepApart } from '../../insert/keep-apart.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Model, Node, Value } from '../../ir/graph.ts'
import { headsOf } from '../../plan/heads.ts'
import type { Plan, PlanOptions } from '../../plan/plan.ts'
import { planGraph } from '../../plan/plan-graph.ts'
import { ignoreMasks } from '../../plan/softmax-range.ts'
import { activationSpec } from '../../quant/spec.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import { describeRewrite, openRewrites, refusal, rewriteNode } from '../dynamic/rewrites.ts'

/** A float model to quantize, and what calibration measured of it. */
export interface Base {
  /** never changed: variants are made of copies */
  model: Model
  /** what was done to the prepared model; `smoothed` is the strength */
  equalized: boolean
  smoothed: number | null
  /** whether weights lie on the integers that adaptive rounding chose */
  rounded: boolean
  /** what it was before that */
  unrounded?: Base
  statistics: ReadonlyMap<string, Statistics>
  means: InputMeans
  /** on which both were measured */
  samples: number
}

/** What all variants have in common. */
export interface VariantInput {
  target: IntegerTarget
  perChannel: boolean
  /** domain of QuantizeLinear and DequantizeLinear */
  domain: string
  excludes: (node: Node) => string | null
  /** whether recurrent layers quantize their activations at run time where the target can; training has no gradient for that */
  recurrent: boolean
}

export interface Variant {
  base: Base
  observer: Observer
  /** values that another observer suits better, by name */
  exceptions: ReadonlyMap<string, Observer>
  biasCorrection: boolean
  /** nodes that stay float, with the reason */
  float: ReadonlyMap<string, string>
  /** nodes that compute with the wide activations of the target */
  wide: ReadonlySet<string>
}

/** A float model of its own, ready for `insertQuantization`. */
export interface Planned {
  model: Model
  plan: Plan
  /** calibrated ranges by name */
  ranges: ReadonlyMap<string, Range>
}

export interface Built {
  model: Model
  plan: Plan
  parameters: ReadonlyMap<Value, Parameters>
  /** the result of every Q/DQ pair and the planned value whose parameters it has */
  pairs: ReadonlyMap<Value, Value>
}

/** The float model of a variant with its plan and ranges; biases are corrected where the variant wants it. */
export function planVariant(input: VariantInput, variant: Variant): Planned {
  const model = cloneModel(variant.base.model)
  const plan = planMeasured(input, variant, model)
  if (variant.biasCorrection) correctBiases(model, plan, variant.base.means)
  return { model, plan, ranges: rangesOf(input, plan, variant, model) }
}

/** The name of the observer that gave a value its range. */
export const observerIn =
  ({ observer, exceptions }: Variant) =>
  (name: string): string =>
    (exceptions.get(name) ?? observer).name

/** How many values have another observer than most, for the report. */
export function exceptionsIn({ exceptions }: Variant): { exceptions?: Record<string, number> } {
  const counts: Record<string, number> = {}
  for (const { name } of exceptions.values()) counts[name] = (counts[name] ?? 0) + 1
  return exceptions.size > 0 ? { exceptions: counts } : {}
}

/** A value whose range comes from what calibration saw of it. */
export interface Observed {
  name: string
  statistics: Statistics
  levels: Levels
}

/** The values of a variant that an observer gives their range. */
export function observedIn(input: VariantInput, variant: Variant): Observed[] {
  const { statistics } = variant.base
  return [...planMeasured(input, variant, cloneModel(variant.base.model)).values].flatMap(([{ name }, planned]) => {
    const found = planned.kind === 'own' ? statistics.get(name) : undefined
    return found ? [{ name, statistics: found, levels: planned as Levels }] : []
  })
}

/** The plan of a variant with only the values that no range is known of, although one of its layers writes them: others absorb them. */
export function hiddenIn(input: VariantInput, variant: Variant): Plan {
  const { statistics } = variant.base
  const plan = planMeasured(input, variant, cloneModel(variant.base.model))
  const written = [...plan.nodes].flatMap(({ outputs }) => outputs.filter((value) => value?.dtype === 'float32'))
  const hidden = written.flatMap((value) => (value && !statistics.has(value.name) ? [value] : []))
  const spec = activationSpec(input.target)
  return { ...plan, values: new Map(hidden.map((value) => [value, { kind: 'own' as const, ...spec }])) }
}

/** The quantized model of a variant. */
export function buildVariant(input: VariantInput, variant: Variant): Built {
  const { model, plan, ranges } = planVariant(input, variant)
  const pairs = new Map<Value, Value>()
  const parameters = insertQuantization(model, plan, ranges, input.domain, pairs)
  const rewrites = openRewrites(model, input.perChannel, input.domain)
  for (const node of plan.atRunTime.keys()) rewriteNode(rewrites, model.graph, node)
  if (input.target.hardware === 'cpu') keepApart(model, plan)
  return { model, plan, parameters, pairs }
}

/** How variants quantize a layer at run time, or why they do not; undefined where they must not. */
export const atRunTime = ({ recurrent }: Pick<VariantInput, 'recurrent'>): PlanOptions['atRunTime'] =>
  recurrent
    ? (node) => {
        const why = refusal(node)
        return why === null ? { how: describeRewrite(node) } : { why }
      }
    : undefined

/** A node that stays float can make its neighbour write a value that nobody measured; then that neighbour stays float too. */
function planMeasured(
  { target, perChannel, excludes, recurrent }: VariantInput,
  { float, wide, base: { statistics } }: Variant,
  model: Model,
): Plan {
  const heads = target.float_operators === 'forbidden' ? [] : headsOf(model.graph, statistics)
  const reasons = new Map([...heads, ...float])
  for (;;) {
    const plan = planGraph(model.graph, target, {
      perChannel,
      excludes: (node) => reasons.get(node.name) ?? excludes(node),
      atRunTime: atRunTime({ recurrent }),
      ...(wide.size > 0 && { wide: (node) => wide.has(node.name) }),
    })
    const unmeasured = [...plan.values].filter(([{ name }, { kind }]) => kind === 'own' && !statistics.has(name))
    if (unmeasured.length === 0) return plan
    const size = reasons.size
    for (const [value] of unmeasured) {
      for (const node of [value.producer, ...value.consumers.keys()]) {
        if (node && plan.nodes.has(node)) reasons.set(node.name, `"${value.name}" was not calibrated`)
      }
    }
    if (reasons.size === size) throw new Error(`nothing calibrated "${unmeasured[0]![0].name}"`)
  }
}

function rangesOf({ target }: VariantInput, plan: Plan, variant: Variant, { graph }: Model): Map<string, Range> {
  const { observer, exceptions, base } = variant
  const { statistics } = base
  const levels = activationSpec(target)
  const ranges = new Map<string, Range>()
  for (const [{ name }, planned] of plan.values) {
    const found = statistics.get(name)
    const own = exceptions.get(name) ?? observer
    if (found) ranges.set(name, own.range(found, planned.kind === 'own' ? planned : levels))
  }
  const isWide = levels.qtype.endsWith('16')
  ignoreMasks(graph, statistics, ranges, ({ name }) => isWide || variant.wide.has(name))
  return ranges
}
