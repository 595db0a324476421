/** Plan: which nodes run in integers, how every value is quantized, and the reason for what stays float. */
import type { Graph, Node, Value } from '../ir/graph.ts'
import { sortedNodes } from '../ir/graph.ts'
import { elementCount, view } from '../ir/tensor.ts'
import type { OpDef, Role } from '../ops/define.ts'
import { inputIndex, inputRole, outputRole } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import type { IntegerTarget } from '../targets/target.ts'
import { type QType, scaleProblem } from './math.ts'

/** How one computed value is quantized. */
export type ValuePlan =
  /** range from calibration */
  | { kind: 'own'; qtype: QType; symmetric: boolean }
  | { kind: 'fixed'; qtype: QType; range: readonly [number, number] }
  /** the parameters of another value */
  | { kind: 'shared'; with: Value }

/** How one constant is quantized where `node` reads it at `index`; the same constant may have other roles elsewhere. */
export interface ConstantPlan {
  node: Node
  index: number
  value: Value
  role: 'weight' | 'activation'
  qtype: QType
  /** null: one scale for the whole tensor */
  axis: number | null
  symmetric: boolean
}

export interface BiasPlan {
  input: Value
  weight: Value
  bias: Value
}

export interface Plan {
  /** nodes that compute in integers */
  nodes: Set<Node>
  /** why every other node stays float */
  reasons: Map<Node, string>
  values: Map<Value, ValuePlan>
  constants: ConstantPlan[]
  biases: Map<Node, BiasPlan>
}

export interface PlanOptions {
  perChannel: boolean
  excludes: (node: Node) => string | null
}

/** constants below this many elements are not worth a lookup table of integers */
const SMALLEST_TABLE = 1024

/** Plans the main graph for a target that quantizes regions: multiplications and what lies between them. Source: the fusion rules of ONNX Runtime's QDQ selectors. */
export function planRegions(graph: Graph, target: IntegerTarget, options: PlanOptions): Plan {
  const reasons = new Map<Node, string>()
  const nodes = new Set<Node>()
  for (const node of sortedNodes(graph)) {
    const reason = refusal(node, target, options)
    if (reason === null) nodes.add(node)
    else reasons.set(node, reason)
  }
  prune(nodes, reasons)
  const plan: Plan = { nodes, reasons, values: new Map(), constants: [], biases: new Map() }
  for (const node of sortedNodes(graph)) if (nodes.has(node)) planNode(node, plan, target, options)
  return plan
}

function refusal(node: Node, target: IntegerTarget, options: PlanOptions): string | null {
  const def = opOf(node)
  if (!def || !Object.hasOwn(target.operators, node.opType)) return `${target.id} has no integer form of ${node.opType}`
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
function prune(nodes: Set<Node>, reasons: Map<Node, string>): void {
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
  const role = opOf(producer) && outputRole(opOf(producer)!, 0)
  return role?.kind === 'activation' && opOf(producer)?.class !== 'clamp'
}

const feeds = (node: Node, nodes: ReadonlySet<Node>): boolean =>
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

function planNode(node: Node, plan: Plan, target: IntegerTarget, options: PlanOptions): void {
  const def = opOf(node)
  if (!def) return
  node.inputs.forEach((value, index) => {
    if (value && !isInternal(value, plan)) planInput({ node, def, value, index }, plan, target, options)
  })
  if (!outputIsQuantized(node, plan.nodes, target)) return
  node.outputs.forEach((value, index) => {
    if (value) planOutput(node, def, value, outputRole(def, index), plan, target)
  })
}

/** The value between an operator and the clamp that it absorbs. */
function isInternal(value: Value, { nodes }: Plan): boolean {
  const [consumer] = value.consumers.keys()
  return (
    value.consumers.size === 1 &&
    opOf(consumer)?.class === 'clamp' &&
    nodes.has(consumer) &&
    isAbsorbed(consumer, nodes)
  )
}

function outputIsQuantized(node: Node, nodes: ReadonlySet<Node>, target: IntegerTarget): boolean {
  const [output] = node.outputs
  const consumers = [...(output?.consumers.keys() ?? [])]
  if (
    consumers.some(
      (consumer) => opOf(consumer)?.class === 'clamp' && nodes.has(consumer) && isAbsorbed(consumer, nodes),
    )
  )
    return false
  if (target.operators[node.opType].output === 'required') return true
  return feeds(node, nodes)
}

interface Use {
  node: Node
  def: OpDef
  value: Value
  index: number
}

function planInput(use: Use, plan: Plan, target: IntegerTarget, options: PlanOptions): void {
  const { node, def, value, index } = use
  const role = inputRole(def, index)
  if (role.kind === 'bias') planBias(use, role, plan)
  else if (role.kind !== 'activation' && role.kind !== 'weight') return
  else if (!value.isConstant) planValue(value, ownActivation(target), plan)
  else if (role.kind === 'activation')
    plan.constants.push({ node, index, value, role: 'activation', axis: null, ...ownActivation(target) })
  else
    plan.constants.push({
      node,
      index,
      value,
      role: 'weight',
      axis: weightAxis(use, role, target, options),
      qtype: target.weight.dtype,
      symmetric: target.weight.symmetric,
    })
}

const ownActivation = ({ activation }: IntegerTarget) =>
  ({ kind: 'own', qtype: activation.dtype, symmetric: activation.symmetric }) as const

function weightAxis(
  { node, value }: Use,
  role: Role & { kind: 'weight' },
  target: IntegerTarget,
  options: PlanOptions,
): number | null {
  if (!options.perChannel || target.weight.granularity !== 'channel') return null
  return role.axis(node, value.tensor?.shape.length ?? 0)
}

function planBias({ node, def, value }: Use, role: Role & { kind: 'bias' }, plan: Plan): void {
  const [input, weight] = [role.input, role.weight].map((name) => node.inputs[inputIndex(def, name)])
  if (input && weight?.isConstant) plan.biases.set(node, { input, weight, bias: value })
}

function planOutput(node: Node, def: OpDef, value: Value, role: Role, plan: Plan, target: IntegerTarget): void {
  if (role.kind === 'activation') planValue(value, ownActivation(target), plan)
  if (role.kind === 'fixed')
    planValue(value, { kind: 'fixed', qtype: target.activation.dtype, range: role.range }, plan)
  const source = role.kind === 'same' ? node.inputs[inputIndex(def, role.as)] : null
  if (source) planValue(value, { kind: 'shared', with: source }, plan)
}

/** The first plan of a value stands: its producer is visited before its readers. */
function planValue(value: Value, planned: ValuePlan, plan: Plan): void {
  if (!plan.values.has(value)) plan.values.set(value, planned)
}
