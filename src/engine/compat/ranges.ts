/** Scales and zero points of activations from calibrated ranges, after the adjustments that make clamps free. */
import type { Graph, Node, Value } from '../ir/graph.ts'
import { sortedNodes } from '../ir/graph.ts'
import { scaleZeroPoint } from '../quant/math.ts'
import { narrowedInput } from './clamps.ts'
import type { TypedParameters } from './constants.ts'
import type { CompatOptions } from './options.ts'
import { fixedParameters, overrideOf, type TensorOverride } from './overrides.ts'
import { restrictedParameters } from './restricted.ts'
import type { Selects } from './selection.ts'

export interface Range {
  min: number
  max: number
}
export type Ranges = ReadonlyMap<string, Range>

const PROBABILITIES: Range = { min: 0, max: 1 }

/** Parameters of a computed value, and what some of its readers get instead. */
export interface ActivationParameters extends TypedParameters {
  /** `readers`: names of nodes; null: all */
  converted: (TypedParameters & { readers: ReadonlySet<string> | null }) | null
}

/** What a node reads the value with. */
export const parametersFor = (parameters: ActivationParameters, { name }: Node): TypedParameters =>
  parameters.converted && (parameters.converted.readers?.has(name) ?? true) ? parameters.converted : parameters

/** Parameters by value. Source: BaseQuantizer.adjust_tensor_ranges, QDQQuantizer.calc_graph_quant_params. */
export function activationParameters(
  graph: Graph,
  ranges: Ranges,
  options: CompatOptions,
  selects: Selects,
): Map<Value, ActivationParameters> {
  const parameters = new Map<Value, ActivationParameters>()
  for (const [value, range] of adjusted(graph, ranges, selects)) {
    const override = overrideOf(options.overrides, value.name)
    const { convert } = override
    const readers = convert?.readers ? new Set(convert.readers) : null
    parameters.set(value, {
      ...parametersOf(range, options, override),
      converted: convert ? { ...parametersOf(range, options, convert), readers } : null,
    })
  }
  return parameters
}

function parametersOf(range: Range, options: CompatOptions, override: TensorOverride): TypedParameters {
  const { minimumRange } = options
  const { qtype = options.activationType, symmetric = options.activationSymmetric, reduceRange } = override
  const fixed = fixedParameters(override)
  if (fixed) return { qtype, ...fixed }
  const { min = range.min, max = range.max } = override
  if (options.activationRestricted && qtype === 'uint8' && !symmetric)
    return { qtype, ...restrictedParameters(min, max, { minimumRange, reduceRange }) }
  return { qtype, ...scaleZeroPoint(min, max, qtype, { symmetric, minimumRange, reduceRange }) }
}

function adjusted(graph: Graph, ranges: Ranges, selects: Selects): Map<Value, Range> {
  const found = rangesByValue(graph, ranges)
  for (const node of sortedNodes(graph)) {
    const output = node.outputs[0]
    if (!output || !selects(node)) continue
    if (node.opType === 'Softmax') found.set(output, PROBABILITIES)
    const source = narrowedInput(graph, node)
    const range = found.get(output)
    if (source && range && found.has(source)) found.set(source, range)
  }
  return found
}

function rangesByValue(graph: Graph, ranges: Ranges): Map<Value, Range> {
  const values = [...graph.inputs, ...[...graph.nodes].flatMap(({ outputs }) => [...outputs])]
  return new Map(
    values.flatMap((value) => {
      const range = value && ranges.get(value.name)
      return range ? [[value, range]] : []
    }),
  )
}
