/** What a value is the product of. */
import type { Graph, Node, Value } from '../ir/graph.ts'
import { elementCount, view } from '../ir/tensor.ts'
import { isShared } from './affine/site.ts'

interface Factors {
  /** of all single numbers */
  constant: number
  values: Value[]
}

/** The single number that a constant is, or null. */
export function numberOf(value: Value | null | undefined): number | null {
  const tensor = value?.tensor
  return tensor?.dtype === 'float32' && elementCount(tensor.shape) === 1 ? (view(tensor, 'float32')[0] ?? null) : null
}

/** The factors of what a node writes, through products that nobody else reads; null where it is no product. */
export function factorsOf(node: Node, graph: Graph): Factors | null {
  const [a, b] = node.inputs
  if (node.domain !== '' || !a || !b || a.dtype !== 'float32') return null
  if (node.opType === 'Mul') return product(factorsIn(a, graph), factorsIn(b, graph))
  const divisor = node.opType === 'Div' ? numberOf(b) : null
  return divisor ? product(factorsIn(a, graph), { constant: 1 / divisor, values: [] }) : null
}

function factorsIn(value: Value, graph: Graph): Factors {
  const constant = numberOf(value)
  if (constant !== null) return { constant, values: [] }
  const own = { constant: 1, values: [value] }
  return value.producer && !isShared(value, graph) ? (factorsOf(value.producer, graph) ?? own) : own
}

const product = (a: Factors, b: Factors): Factors => ({
  constant: a.constant * b.constant,
  values: [...a.values, ...b.values],
})

/** exporters write constants with few digits */
const TOLERANCE = 1e-3

export const isAbout = (found: number, wanted: number): boolean => Math.abs(found / wanted - 1) < TOLERANCE

/** The other operand of a sum with about that number. */
export function sumWith(value: Value, wanted: number): Value | null {
  const { producer } = value
  if (producer?.opType !== 'Add' || producer.domain !== '') return null
  const [a, b] = producer.inputs
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== null && isAbout(left, wanted)) return b ?? null
  return right !== null && isAbout(right, wanted) ? (a ?? null) : null
}
