/** Values that come from another by arithmetic with one number, or by a clamp: their extremes follow from the other's, to the bit. */
import type { Node, Value } from '../ir/graph.ts'
import { elementCount, view } from '../ir/tensor.ts'
import type { Monotone } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'

/** What the operator in front of a value does to the one number that varies. */
export interface MonotoneOf extends Monotone {
  of: Value
}

/** null for a value that other operators make. */
export function monotoneOf({ producer }: Value): MonotoneOf | null {
  if (!producer) return null
  return opOf(producer)?.class === 'clamp' ? clamped(producer) : withNumber(producer)
}

function clamped(node: Node): MonotoneOf | null {
  const [of] = node.inputs
  const bounds = opOf(node)?.bounds?.(node)
  if (!of || !bounds || bounds[0] > bounds[1]) return null
  const [low, high] = bounds
  return { of, become: (x) => Math.min(high, Math.max(low, x)), rises: true, keepsZero: low <= 0 && high >= 0 }
}

function withNumber(node: Node): MonotoneOf | null {
  const [a, b] = node.inputs
  const rules = opOf(node)?.withNumber
  if (!a || !b || !rules) return null
  const [behind, front] = [numberIn(b), numberIn(a)]
  if (behind !== null) return { of: a, ...rules.behind(behind) }
  return front !== null && rules.front ? { of: b, ...rules.front(front) } : null
}

/** The one number that a constant is, unless it is 0 or infinite. */
function numberIn({ tensor }: Value): number | null {
  if (tensor?.dtype !== 'float32' || elementCount(tensor.shape) !== 1) return null
  const [number] = view(tensor, 'float32')
  return number && Number.isFinite(number) ? number : null
}
