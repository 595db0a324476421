/** Scales and zero points of activations from calibrated ranges, after the adjustments that make clamps free. */
import type { Graph, Value } from '../ir/graph.ts'
import { sortedNodes } from '../ir/graph.ts'
import { type ScaleZeroPoint, scaleZeroPoint } from '../quant/math.ts'
import { narrowedInput } from './clamps.ts'
import type { CompatOptions } from './options.ts'
import { restrictedParameters } from './restricted.ts'
import type { Selects } from './selection.ts'

export interface Range {
  min: number
  max: number
}
export type Ranges = ReadonlyMap<string, Range>

const PROBABILITIES: Range = { min: 0, max: 1 }

/** Parameters by value. Source: BaseQuantizer.adjust_tensor_ranges and calc_graph_quant_params. */
export function activationParameters(
  graph: Graph,
  ranges: Ranges,
  options: CompatOptions,
  selects: Selects,
): Map<Value, ScaleZeroPoint> {
  const parameters = new Map<Value, ScaleZeroPoint>()
  for (const [value, range] of adjusted(graph, ranges, selects)) parameters.set(value, parametersOf(range, options))
  return parameters
}

function parametersOf({ min, max }: Range, options: CompatOptions): ScaleZeroPoint {
  const { activationType, activationSymmetric: symmetric, minimumRange } = options
  if (options.activationRestricted && activationType === 'uint8' && !symmetric)
    return restrictedParameters(min, max, minimumRange)
  return scaleZeroPoint(min, max, activationType, { symmetric, minimumRange })
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
