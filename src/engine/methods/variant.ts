/** One way to quantize a prepared model statically, built from its file so that many can be tried. */
import type { Model, Node, Value } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { correctBiases, type InputMeans } from '../quant/bias-correction.ts'
import { insertQuantization, type Parameters } from '../quant/insert.ts'
import type { Observer, Range, Statistics } from '../quant/observers/observer.ts'
import { type Plan, planRegions } from '../quant/plan.ts'
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
  const excludes = (node: Node) => variant.float.get(node.name) ?? input.excludes(node)
  const plan = planRegions(model.graph, input.target, { perChannel: input.perChannel, excludes })
  if (variant.biasCorrection) correctBiases(model, plan, input.means)
  const parameters = insertQuantization(model, plan, rangesOf(input, plan, variant.observer), input.domain)
  return { model, plan, parameters }
}

function rangesOf({ statistics, target }: VariantInput, plan: Plan, observer: Observer): Map<string, Range> {
  const levels = { qtype: target.activation.dtype, symmetric: target.activation.symmetric }
  const ranges = new Map<string, Range>()
  for (const { name } of plan.values.keys()) {
    const found = statistics.get(name)
    if (found) ranges.set(name, observer.range(found, levels))
  }
  return ranges
}
