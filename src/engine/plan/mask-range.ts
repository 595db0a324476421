/**
 * Attention masks add a large negative number to what Softmax shall ignore. Integers need not tell such numbers apart: it is enough that they
 * lie clearly below everything that counts.
 */

import type { Range } from '../calibrate/observers/observer.ts'
import type { Graph, Node, Value } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { extremes } from '../quant/math.ts'

/** a number this far below the others is a mask */
const MASKED = -100
/** how far below the smallest number that counts the masked ones end up: exp(−10) is less than a step of an 8-bit probability */
const MARGIN = 10

/** Sets the ranges, by name, of masked Softmax inputs. `statistics`: what calibration saw, by name. */
export function ignoreMasks(graph: Graph, statistics: ReadonlyMap<string, Range>, ranges: Map<string, Range>): void {
  for (const { opType, domain, inputs } of graph.nodes) {
    const [value] = inputs
    if (opType !== 'Softmax' || domain !== '' || !value || !ranges.has(value.name)) continue
    const seen = statistics.get(value.name)
    const lowest = lowestThatCounts(value.producer, statistics)
    if (seen && lowest !== null) ranges.set(value.name, { min: Math.max(seen.min, lowest - MARGIN), max: seen.max })
  }
}

/** Smallest result of a masking operator that is not masked; null where nothing is. */
function lowestThatCounts(node: Node | null, statistics: ReadonlyMap<string, Range>): number | null {
  const operands = node?.inputs.map((value) => value && rangeOf(value, statistics)) ?? []
  if (node?.opType === 'Add') {
    const [a, b] = operands
    if (!a || !b) return null
    const [mask, other] = a.min < b.min ? [a, b] : [b, a]
    return mask.min < MASKED ? other.min + mask.max : null
  }
  if (node?.opType !== 'Where') return null
  const [, a, b] = operands
  if (!a || !b) return null
  const [mask, other] = a.max < b.max ? [a, b] : [b, a]
  return mask.max < MASKED ? other.min : null
}

function rangeOf({ tensor, name }: Value, statistics: ReadonlyMap<string, Range>): Range | null {
  if (tensor?.dtype !== 'float32') return statistics.get(name) ?? null
  const [min, max] = extremes(view(tensor, 'float32'))
  return { min, max }
}
