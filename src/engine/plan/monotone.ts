/** Values that come from another by arithmetic with one number, or by a clamp: their extremes follow from the other's, to the bit. */
import type { Node, Value } from '../ir/graph.ts'
import { elementCount, view } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'

export interface Monotone {
  of: Value
  /** in float32, as the operator rounds */
  become: (x: number) => number
  /** whether a larger number gives a larger or equal one; otherwise a smaller or equal one */
  rises: boolean
  keepsZero: boolean
}

/** null for a value that other operators make. */
export function monotoneOf({ producer }: Value): Monotone | null {
  if (producer?.domain !== '') return null
  return opOf(producer)?.class === 'clamp' ? clamped(producer) : withNumber(producer)
}

function clamped(node: Node): Monotone | null {
  const [of] = node.inputs
  const bounds = opOf(node)?.bounds?.(node)
  if (!of || !bounds || bounds[0] > bounds[1]) return null
  const [low, high] = bounds
  return { of, become: (x) => Math.min(high, Math.max(low, x)), rises: true, keepsZero: low <= 0 && high >= 0 }
}

type Rule = (number: number) => Omit<Monotone, 'of'>

const shift = (become: (x: number) => number, rises = true) => ({
  become: (x: number) => Math.fround(become(x)),
  rises,
  keepsZero: false,
})
const stretch = (become: (x: number) => number, by: number) => ({
  become: (x: number) => Math.fround(become(x)),
  rises: by > 0,
  keepsZero: true,
})

/** x ∘ number */
const BEHIND: Readonly<Record<string, Rule>> = {
  Add: (c) => shift((x) => x + c),
  Sub: (c) => shift((x) => x - c),
  Mul: (c) => stretch((x) => x * c, c),
  Div: (c) => stretch((x) => x / c, c),
}
/** number ∘ x */
const IN_FRONT: Readonly<Record<string, Rule>> = {
  Add: BEHIND.Add!,
  Sub: (c) => shift((x) => c - x, false),
  Mul: BEHIND.Mul!,
}

function withNumber({ opType, inputs }: Node): Monotone | null {
  const [a, b] = inputs
  if (!a || !b) return null
  const [behind, front] = [numberIn(b), numberIn(a)]
  const rule = behind !== null ? BEHIND[opType]?.(behind) : front !== null ? IN_FRONT[opType]?.(front) : undefined
  return rule ? { of: behind !== null ? a : b, ...rule } : null
}

/** The one number that a constant is, unless it is 0 or infinite. */
function numberIn({ tensor }: Value): number | null {
  if (tensor?.dtype !== 'float32' || elementCount(tensor.shape) !== 1) return null
  const [number] = view(tensor, 'float32')
  return number && Number.isFinite(number) ? number : null
}
