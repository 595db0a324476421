/** Which nodes run in integers, by the placement that a target asks for. */
import type { Node, Value } from '../ir/graph.ts'
import { elementCount, view } from '../ir/tensor.ts'
import type { OpDef } from '../ops/define.ts'
import { inputRole, outputRole } from '../ops/define.ts'
import { integerOpOf, opOf } from '../ops/index.ts'
import { scaleProblem } from '../quant/math.ts'
import type { IntegerTarget } from '../targets/target.ts'
import { MAGNIFIED, magnifiedNodes } from './magnified.ts'
import type { PlanOptions } from './plan.ts'
import { lackOf } from './support.ts'

export interface Placed {
  nodes: Set<Node>
  /** why every other node stays float */
  reasons: Map<Node, string>
}

type Placement = (order: readonly Node[], target: IntegerTarget, options: PlanOptions) => Placed

/** constants below this many elements are not worth a lookup table of integers */
const SMALLEST_TABLE = 1024

/** Every node that the target has an integer form of. */
const everywhere: Placement = (order, target, options) => {
  const nodes = new Set<Node>()
  const reasons = new Map<Node, string>()
  for (const node of order) {
    const reason = refusal(node, target, options)
    if (reason === null) nodes.add(node)
    else reasons.set(node, reason)
  }
  return { nodes, reasons }
}

/** Multiplications and what lies between them. Source: the fusion rules of ONNX Runtime's QDQ selectors. */
const inRegions: Placement = (order, target, options) => {
  const placed = everywhere(order, target, options)
  prune(placed)
  return placed
}

/** Decides value by value, see assign.ts. */
const inFrontOfKernels: Placement = (order, target, options) => {
  const placed = everywhere(order, target, options)
  for (const node of magnifiedNodes(order)) if (placed.nodes.delete(node)) placed.reasons.set(node, MAGNIFIED)
  return placed
}

export const PLACEMENTS = { regions: inRegions, all: everywhere, inputs: inFrontOfKernels } as const satisfies Record<
  IntegerTarget['placement'],
  Placement
>

function refusal(node: Node, target: IntegerTarget, options: PlanOptions): string | null {
  const def = integerOpOf(node)
  if (!def) return `${target.id} has no integer form of ${node.opType}`
  const lack = lackOf(target, node)
  if (lack) return lack
  const excluded = options.excludes(node)
  if (excluded) return excluded
  const dtype = node.inputs.find((_, index) => inputRole(def, index).kind === 'activation')?.dtype
  if (dtype !== 'float32') return `its input is ${dtype ?? 'of unknown type'}, not float32`
  return def.refuses?.(node) ?? constantProblem(node, def)
}

/** Why a constant of the node has no usable scale, or null. */
function constantProblem(node: Node, def: OpDef): string | null {
  for (const [index, value] of node.inputs.entries()) {
    const { kind } = inputRole(def, index)
    if (value?.tensor?.dtype !== 'float32' || (kind !== 'weight' && kind !== 'activation' && kind !== 'bias')) continue
    const problem = scaleProblem(view(value.tensor, 'float32'))
    if (problem) return `its constant "${value.name}" ${problem}`
  }
  return null
}

/** Drops nodes until every one that is left pays for its conversions. */
function prune({ nodes, reasons }: Placed): void {
  for (let changed = true; changed; ) {
    changed = false
    for (const node of [...nodes].reverse()) {
      const reason = unprofitable(node, nodes)
      if (reason === null) continue
      nodes.delete(node)
      reasons.set(node, reason)
      changed = true
    }
  }
}

const producedIn = (value: Value, nodes: ReadonlySet<Node>): boolean =>
  value.producer !== null && nodes.has(value.producer)

function unprofitable(node: Node, nodes: ReadonlySet<Node>): string | null {
  const def = opOf(node)
  if (!def || isAnchor(node, def)) return null
  const sources = activationInputs(node, def).filter((value) => !value.isConstant)
  if (sources.length === 0) return 'all its inputs are constants'
  if (def.class === 'clamp')
    return isAbsorbed(node, nodes) ? null : 'it does not follow a quantized operator that could absorb it'
  const foreign = sources.find((value) => !producedIn(value, nodes))
  if (foreign) return `its input "${foreign.name}" is computed in float`
  if (def.class === 'multiply') return null
  return feeds(node, nodes) ? null : 'no quantized operator reads its result'
}

/** Multiplications by a constant, and lookups in a large constant table: what quantization is for. */
function isAnchor(node: Node, def: OpDef): boolean {
  if (def.class === 'multiply') return def.inputs.some((_, index) => node.inputs[index]?.isConstant && index < 2)
  const table = node.inputs[0]?.tensor
  return def.class === 'movement' && table !== undefined && elementCount(table.shape) >= SMALLEST_TABLE
}

/** A clamp disappears into the quantizer behind it when it is the only reader of a quantized operator. */
export function isAbsorbed(node: Node, nodes: ReadonlySet<Node>): boolean {
  const [input] = node.inputs
  const producer = input?.producer
  if (!input || !producer || !nodes.has(producer) || input.consumers.size !== 1) return false
  const def = opOf(producer)
  return def !== undefined && def.class !== 'clamp' && outputRole(def, 0).kind === 'activation'
}

/** Whether a planned node reads a result of this one as a number. */
export const feeds = (node: Node, nodes: ReadonlySet<Node>): boolean =>
  node.outputs.some(
    (value) =>
      value &&
      [...value.consumers.keys()].some((consumer) => nodes.has(consumer) && readsAsActivation(consumer, value)),
  )

function readsAsActivation(node: Node, value: Value): boolean {
  const def = opOf(node)
  return def !== undefined && activationInputs(node, def).includes(value)
}

function activationInputs(node: Node, def: OpDef): Value[] {
  return node.inputs.flatMap((value, index) => {
    const role = inputRole(def, index)
    return value && (role.kind === 'activation' || (role.kind === 'weight' && !value.isConstant)) ? [value] : []
  })
}
