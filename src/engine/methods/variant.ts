/** One way to quantize a prepared model statically, built from its file so that many can be tried. */
import type { Model, Node, Value } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { activationSpec } from '../quant/assign.ts'
import { correctBiases, type InputMeans } from '../quant/bias-correction.ts'
import { insertQuantization, type Parameters } from '../quant/insert.ts'
import type { Observer, Range, Statistics } from '../quant/observers/observer.ts'
import { type Plan, planGraph } from '../quant/plan.ts'
import type { IntegerTarget } from '../targets/target.ts'

/** What all variants have in common. */
export interface VariantInput {
  /** file of the prepared float model */
  path: string
  target: IntegerTarget
  perChannel: boolean
  /** domain of QuantizeLinear and DequantizeLinear */
  domain: string
  excludes: (node: Node) => string | null
  statistics: ReadonlyMap<string, Statistics>
  means: InputMeans
}

export interface Variant {
  observer: Observer
  biasCorrection: boolean
  /** nodes that stay float, with the reason */
  float: ReadonlyMap<string, string>
}

export interface Built {
  model: Model
  plan: Plan
  parameters: ReadonlyMap<Value, Parameters>
}

export function buildVariant(input: VariantInput, variant: Variant): Built {
  const { model } = decodeModel(input.path)
  const plan = planMeasured(input, variant, model)
  if (variant.biasCorrection) correctBiases(model, plan, input.means)
  const parameters = insertQuantization(model, plan, rangesOf(input, plan, variant.observer), input.domain)
  return { model, plan, parameters }
}

/** A node that stays float can make its neighbour write a value that nobody measured; then that neighbour stays float too. */
function planMeasured(
  { target, perChannel, excludes, statistics }: VariantInput,
  { float }: Variant,
  model: Model,
): Plan {
  const reasons = new Map(float)
  for (;;) {
    const plan = planGraph(model.graph, target, {
      perChannel,
      excludes: (node) => reasons.get(node.name) ?? excludes(node),
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

function rangesOf({ statistics, target }: VariantInput, plan: Plan, observer: Observer): Map<string, Range> {
  const levels = activationSpec(target)
  const ranges = new Map<string, Range>()
  for (const { name } of plan.values.keys()) {
    const found = statistics.get(name)
    if (found) ranges.set(name, observer.range(found, levels))
  }
  return ranges
}
