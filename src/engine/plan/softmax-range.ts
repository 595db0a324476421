/**
 * Softmax ignores what lies far below the largest number of its row, as attention masks make it lie. Integers need not tell such numbers apart:
 * everything between a mask and its Softmax may end a little below the rows' maxima, and what is then no number that counts may not cost range.
 */
import type { Statistics } from '../calibrate/observers/observer.ts'
import type { Range } from '../calibrate/range.ts'
import { type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { float32, view } from '../ir/tensor.ts'
import { outputRole } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import { extremes } from '../quant/math.ts'
import { monotoneOf } from './monotone.ts'

/** below the smallest maximum of a row: exp of it is less than half a step of an 8-bit probability, and of a 16-bit one */
const MARGINS = { narrow: 8, wide: 12 } as const
/** only a number this far below the maxima of all rows is a mask */
const MASKED = 50

type Seen = ReadonlyMap<string, Statistics>

/** Numbers outside of it may become its ends: nothing changes that anybody reads. */
type Enough = Range
const EVERYTHING: Enough = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY }

const isSoftmax = ({ opType, domain }: Node): boolean => opType === 'Softmax' && domain === ''

/** Inputs of Softmax in the main graph, and the axis of their rows. */
export const softmaxInputs = ({ nodes }: Graph): { value: Value; axis: number }[] =>
  [...nodes].flatMap((node) => {
    const [value] = node.inputs
    return isSoftmax(node) && value?.dtype === 'float32' ? [{ value, axis: node.int('axis', -1) }] : []
  })

/** The computed values between masks and Softmax, whose ranges say how far below the rows' maxima a mask has to reach. */
export function valuesBeforeSoftmax(graph: Graph): Set<Value> {
  const found = new Set<Value>()
  const open = softmaxInputs(graph).map(({ value }) => value)
  for (let value = open.pop(); value; value = open.pop()) {
    if (value.isConstant || value.dtype !== 'float32' || found.has(value)) continue
    found.add(value)
    const { producer } = value
    const def = producer && opOf(producer)
    if (!producer || !def || !PASSED.has(def.class ?? '')) continue
    open.push(...producer.inputs.filter((input) => input !== null))
  }
  return found
}

const PASSED: ReadonlySet<string> = new Set(['pointwise', 'movement', 'clamp'])

/**
 * Narrows ranges, by name, and constants of the graph to what Softmax can tell apart. `statistics`: what calibration saw, by name, with the
 * smallest maximum of a row where Softmax reads it; `isWide`: whether a node computes with 16-bit activations.
 */
export function ignoreMasks(
  graph: Graph,
  statistics: Seen,
  ranges: Map<string, Range>,
  isWide: (node: Node) => boolean,
): void {
  for (const [value, enough] of whatIsEnough(graph, statistics, isWide)) {
    const range = ranges.get(value.name)
    if (range) ranges.set(value.name, within(range, seenOf(value, statistics), enough))
    if (value.tensor?.dtype === 'float32') value.tensor = clipped(value, enough)
  }
}

/** What an observer cut off for the sake of numbers that nobody reads comes back. */
function within(range: Range, seen: Range | null, { min, max }: Enough): Range {
  if (!seen || (seen.min >= min && seen.max <= max)) return range
  return { min: Math.max(seen.min, min), max: Math.min(seen.max, max) }
}

function clipped({ tensor, name }: Value, { min, max }: Enough) {
  if (!tensor) throw new Error(`"${name}" is not a constant`)
  const numbers = view(tensor, 'float32')
  if (numbers.every((x) => x >= min && x <= max)) return tensor
  return float32(
    tensor.shape,
    numbers.map((x) => Math.min(Math.max(x, min), max)),
  )
}

/** Of every value that only leads to masked Softmax operators: what all its readers together want of it. */
function whatIsEnough(graph: Graph, statistics: Seen, isWide: (node: Node) => boolean): Map<Value, Enough> {
  const outputs = new Set(graph.outputs)
  const found = new Map<Value, Enough>()
  const order = sortedNodes(graph).toReversed()
  const of = (value: Value): Enough => {
    if (outputs.has(value)) return EVERYTHING
    const wishes = [...value.consumers.keys()].map((reader) => wishOf(reader, value))
    return wishes.reduce(united, { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY })
  }
  const wishOf = (reader: Node, value: Value): Enough => {
    if (isSoftmax(reader)) return aboveMasks(statistics.get(value.name), isWide(reader))
    const [result] = reader.outputs
    const wanted = result && graph.nodes.has(reader) ? found.get(result) : undefined
    return (wanted && throughNode(reader, value, wanted, statistics)) ?? EVERYTHING
  }
  const visit = (value: Value | null) => {
    if (!value || found.has(value)) return
    const enough = of(value)
    if (Number.isFinite(enough.min) || Number.isFinite(enough.max)) found.set(value, enough)
  }
  for (const { outputs: written } of order) for (const value of written) visit(value)
  for (const value of [...graph.inputs, ...graph.initializers]) visit(value)
  return found
}

const united = (a: Enough, b: Enough): Enough => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) })

function aboveMasks(seen: Statistics | undefined, isWide: boolean): Enough {
  const { peak } = seen ?? {}
  if (!seen || peak === undefined || seen.min > peak - MASKED) return EVERYTHING
  return { ...EVERYTHING, min: peak - MARGINS[isWide ? 'wide' : 'narrow'] }
}

/** What is enough of an operand where `wanted` is of the result; null where that cannot be told. */
function throughNode(node: Node, value: Value, wanted: Enough, statistics: Seen): Enough | null {
  const def = opOf(node)
  if (!def) return null
  const monotone = node.outputs[0] && monotoneOf(node.outputs[0])
  if (def.sums && node.inputs.length === 2) return throughSum(node, value, wanted, statistics)
  if (def.class === 'clamp' || def.joins || isChoice(node)) return wanted
  if (def.class === 'movement' && outputRole(def, 0).kind === 'same') return wanted
  if (monotone?.of === value) return throughLine(monotone.become, wanted)
  return node.opType === 'Mul' ? throughFactors(node, value, wanted) : null
}

const isChoice = ({ opType, inputs }: Node): boolean => opType === 'Where' && inputs.length === 3

/** a + b ≤ low wherever a ≤ low − max(b); a − b likewise. */
function throughSum(node: Node, value: Value, wanted: Enough, statistics: Seen): Enough | null {
  const [a, b] = node.inputs
  if (!a || !b || a === b) return null
  const other = seenOf(a === value ? b : a, statistics)
  if (!other) return null
  const subtracts = opOf(node)?.withNumber?.front?.(1).rises === false
  if (!subtracts) return { min: wanted.min - other.max, max: wanted.max - other.min }
  if (a === value) return { min: wanted.min + other.min, max: wanted.max + other.max }
  return { min: other.min - wanted.max, max: other.max - wanted.min }
}

/** The other way round through a straight line. */
function throughLine(become: (x: number) => number, { min, max }: Enough): Enough | null {
  const offset = become(0)
  const slope = become(1) - offset
  if (!(Math.abs(slope) > 0) || !Number.isFinite(offset)) return null
  const ends = [(min - offset) / slope, (max - offset) / slope]
  return { min: Math.min(...ends), max: Math.max(...ends) }
}

/** Constant factors of one sign, of which each demands something else. */
function throughFactors(node: Node, value: Value, wanted: Enough): Enough | null {
  const other = node.inputs.find((input) => input !== value)
  if (other?.tensor?.dtype !== 'float32') return null
  const [low, high] = extremes(view(other.tensor, 'float32'))
  if (low * high <= 0) return null
  return [low, high].map((factor) => throughLine((x) => x * factor, wanted)).reduce((a, b) => a && b && united(a, b))
}

/** The range of a value; that of a constant is its own. */
function seenOf({ tensor, name }: Value, statistics: Seen): Range | null {
  if (tensor?.dtype !== 'float32') return statistics.get(name) ?? null
  const [min, max] = extremes(view(tensor, 'float32'))
  return { min, max }
}
