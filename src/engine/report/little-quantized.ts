/** The warning about an artifact most of whose weights are as they were: how much, which layers, and why. */
import type { PlanDocument, Warning } from '../../contract/report.ts'
import { allGraphs, type Graph, type Node, type Value } from '../ir/graph.ts'
import { elementCount } from '../ir/tensor.ts'

/** Bytes of float constants by the name of the node that reads them first. */
export type WeightBytes = ReadonlyMap<string, number>

/** what an element takes in a file */
const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2, float64: 8 }
/** smaller constants are biases and factors */
const LEAST_ELEMENTS = 64

/** Of every node of a float model, before a method changes it. */
export function weightBytesOf(graph: Graph): WeightBytes {
  const seen = new Set<Value>()
  const found = new Map<string, number>()
  for (const { nodes } of allGraphs(graph))
    for (const node of nodes) {
      const bytes = bytesReadBy(node, seen)
      if (bytes > 0) found.set(node.name, (found.get(node.name) ?? 0) + bytes)
    }
  return found
}

function bytesReadBy({ inputs }: Node, seen: Set<Value>): number {
  let sum = 0
  for (const value of inputs) {
    const tensor = value?.tensor
    if (!value || !tensor || seen.has(value) || elementCount(tensor.shape) < LEAST_ELEMENTS) continue
    seen.add(value)
    sum += elementCount(tensor.shape) * (BYTES[tensor.dtype] ?? 0)
  }
  return sum
}

/** an artifact with less of the weights than this in fewer bits is hardly what its user wants */
const LITTLE = 0.5
const MOST_REASONS = 3

/** `little_quantized` where less than half of the weights' bytes became fewer bits. `macsInteger` is a share, null where unknown. */
export function littleQuantized(plan: PlanDocument, weights: WeightBytes, macsInteger: number | null): Warning[] {
  const total = sumOf(weights.values())
  const kept = keptWeights(plan, weights)
  const share = 1 - sumOf(kept.map(({ bytes }) => bytes)) / total
  if (total === 0 || share >= LITTLE) return []
  const macs = macsInteger === null ? '' : `, ${percent(macsInteger)} of the multiply-accumulates are in integers`
  const detail = `only ${percent(share)} of the weights' bytes were quantized${macs}. What stayed: ${kept.slice(0, MOST_REASONS).map(describe(total)).join('; ')}`
  return [{ code: 'little_quantized', detail }]
}

/** Weights that keep their bits, all for the same reason. */
export interface KeptWeights {
  /** the operator and why it stays float */
  reason: string
  bytes: number
  /** names of the nodes that read them */
  nodes: string[]
}

/** What a plan leaves as it is, by reason, most bytes first. */
export function keptWeights(plan: PlanDocument, weights: WeightBytes): KeptWeights[] {
  const planned = new Map(plan.nodes.map((node) => [node.node, node]))
  const byReason = new Map<string, KeptWeights>()
  for (const [name, bytes] of weights) {
    const found = planned.get(name)
    if (found?.quantized) continue
    const reason = found ? `${found.op_type}: ${found.reason}` : 'inside of a branch or a loop, which stays float'
    const kept = byReason.get(reason)
    byReason.set(reason, { reason, bytes: bytes + (kept?.bytes ?? 0), nodes: [...(kept?.nodes ?? []), name] })
  }
  return [...byReason.values()].toSorted((a, b) => b.bytes - a.bytes)
}

const describe =
  (total: number) =>
  ({ reason, bytes, nodes }: KeptWeights): string => {
    const layers = nodes.length === 1 ? `"${nodes[0]}"` : `${nodes.length} layers, for example "${nodes[0]}"`
    return `${layers} with ${percent(bytes / total)} of the bytes (${reason})`
  }

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`
const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0)
