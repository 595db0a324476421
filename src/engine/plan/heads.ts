/**
 * Detector heads: behind the last multiplication, numbers of very different size (probabilities, box sizes, pixels) are joined into one
 * tensor. One scale for all of them would leave the small ones a few integers, or none; such nodes stay float, and what decodes for them too.
 */

import type { Range } from '../calibrate/range.ts'
import { type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { inputIndex, outputRole } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import { extremes } from '../quant/math.ts'

/** ranges this many times as large as another leave it less than 4 of 8 bits */
const MOST_RATIO = 16

/** Nodes to keep in float, by name, and why. `statistics`: what calibration saw, by name. */
export function headsOf(graph: Graph, statistics: ReadonlyMap<string, Range>): Map<string, string> {
  const order = sortedNodes(graph)
  const tail = tailOf(order)
  const reasons = new Map<string, string>()
  for (const node of order) {
    if (!tail.has(node)) continue
    const problem = mixedRanges(node, statistics)
    if (!problem) continue
    reasons.set(node.name, problem)
    const decoding = reached(node, (at) => producersOf(at).filter((producer) => tail.has(producer)))
    for (const other of [...reached(node, readersOf), ...decoding])
      if (!reasons.has(other.name)) reasons.set(other.name, `it belongs to the head of "${node.name}": ${problem}`)
  }
  return reasons
}

/** The nodes from which no multiplication with constant weights is reached. */
function tailOf(order: readonly Node[]): Set<Node> {
  const tail = new Set<Node>()
  for (const node of order.toReversed()) {
    if (!multiplies(node) && readersOf(node).every((reader) => tail.has(reader))) tail.add(node)
  }
  return tail
}

const multiplies = (node: Node): boolean =>
  opOf(node)?.class === 'multiply' && node.inputs.slice(0, 2).some((value) => value?.isConstant)

/** The nodes that a step leads to from a node, one after the other. */
function reached(from: Node, step: (node: Node) => readonly Node[]): Set<Node> {
  const found = new Set<Node>()
  const open = [...step(from)]
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node)) continue
    found.add(node)
    open.push(...step(node))
  }
  return found
}

const readersOf = (node: Node): Node[] => node.outputs.flatMap((value) => (value ? [...value.consumers.keys()] : []))
const producersOf = (node: Node): Node[] => node.inputs.flatMap((value) => value?.producer ?? [])

/** Why the operands do not fit into one scale, or null. */
function mixedRanges(node: Node, statistics: ReadonlyMap<string, Range>): string | null {
  const counts = operandsOf(node)
  if (!counts) return null
  const operands = node.inputs.flatMap((value) => {
    const range = value && rangeOf(value, statistics)
    return range ? [{ value, size: Math.max(Math.abs(range.min), Math.abs(range.max)) }] : []
  })
  const small = operands.filter(({ value }) => counts(value)).toSorted((a, b) => a.size - b.size)[0]
  const large = operands.toSorted((a, b) => b.size - a.size)[0]
  if (!small || !large || small.size === 0 || large.size <= MOST_RATIO * small.size) return null
  return `it joins numbers up to ${large.size.toPrecision(3)} ("${large.value.name}") with numbers up to ${small.size.toPrecision(3)} ("${small.value.name}")`
}

/** The operands that must not vanish beside others: a small constant in a sum may. Null where operands do not meet in one scale. */
function operandsOf(node: Node): ((value: Value) => boolean) | null {
  const def = opOf(node)
  if (def?.joins) return () => true
  return def?.sums ? (value) => !value.isConstant : null
}

/** What is known of a value: measured, constant, guaranteed by its operator, or that of what it moves. */
function rangeOf(value: Value, statistics: ReadonlyMap<string, Range>): Range | null {
  const seen = statistics.get(value.name)
  if (seen) return seen
  if (value.tensor?.dtype === 'float32') {
    const [min, max] = extremes(view(value.tensor, 'float32'))
    return { min, max }
  }
  const { producer } = value
  const def = producer && opOf(producer)
  const role = def && outputRole(def, producer.outputs.indexOf(value))
  if (role?.kind === 'fixed') return { min: role.range[0], max: role.range[1] }
  const source = role?.kind === 'same' && def ? producer?.inputs[inputIndex(def, role.as)] : null
  return source ? rangeOf(source, statistics) : null
}
