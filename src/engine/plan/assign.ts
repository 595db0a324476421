/** How the values of one planned node are quantized: roles of its operator × number formats of the target. */
import type { Node, Value } from '../ir/graph.ts'
import type { OpDef, Role } from '../ops/define.ts'
import { inputIndex, inputRole, outputRole } from '../ops/define.ts'
import { integerOpOf, opOf } from '../ops/index.ts'
import type { QuantSpec } from '../quant/math.ts'
import { activationSpec, specOf } from '../quant/spec.ts'
import type { IntegerTarget, OperatorSupport } from '../targets/target.ts'
import { givenOf } from './parameters.ts'
import { feeds, isAbsorbed } from './place.ts'
import type { Plan, PlanOptions, ValuePlan } from './plan.ts'
import { supportOf } from './support.ts'

interface Site {
  node: Node
  def: OpDef
  support: OperatorSupport
  /** number format of its activations */
  spec: QuantSpec
  isWide: boolean
  plan: Plan
  target: IntegerTarget
  options: PlanOptions
}

/** Adds the values, constants and bias of a node to the plan. */
export function planNode(node: Node, plan: Plan, target: IntegerTarget, options: PlanOptions): void {
  const def = integerOpOf(node)
  const support = supportOf(target, node)
  if (!def || !support) return
  const isWide = target.wide_activation !== undefined && options.wide?.(node) === true
  const spec = isWide ? specOf(target.wide_activation!) : activationSpec(target)
  const site: Site = { node, def, support, spec, isWide, plan, target, options }
  const skipped = target.placement === 'inputs' ? unreadInputs(node, def) : new Set<Value>()
  if (skipped.size === node.inputs.length) {
    leaveFloat(node, plan)
    return
  }
  if (skipped.size > 0) plan.unread.set(node, skipped)
  node.inputs.forEach((value, index) => {
    if (value && !skipped.has(value) && !isInternal(value, plan)) planInput(site, value, index)
  })
  // A clamp behind the node may write in its place.
  const written = outputIsQuantized(site) ? numbersWritten(node, def) : []
  for (const { value, role } of written) planOutput(site, value, role)
  if (support.same_scale)
    tie(
      site,
      written.map(({ value }) => value),
    )
}

const numbersWritten = (node: Node, def: OpDef): { value: Value; role: Role }[] =>
  node.outputs.flatMap((value, index) => {
    const role = outputRole(def, index)
    return value && role.kind !== 'float' ? [{ value, role }] : []
  })

/**
 * Where only inputs are quantized: an operator that is no multiplication adds a kernel of its own for each conversion, unless a
 * multiplication absorbs it. Of a sum behind a convolution the other operand, the residual branch, is quantized.
 * Source: NVIDIA, "Working with quantized types", rules for Q/DQ placement.
 */
function unreadInputs(node: Node, def: OpDef): Set<Value> {
  if (def.class === 'multiply' || node.inputs.length < 2) return new Set()
  const values = node.inputs.filter((value) => value !== null)
  const absorbing = values.findLast(({ producer, consumers }) => isMultiplication(producer) && consumers.size === 1)
  return new Set(absorbing ? [absorbing] : values)
}

function leaveFloat(node: Node, { nodes, reasons }: Plan): void {
  nodes.delete(node)
  reasons.set(node, 'no multiplication in front of it absorbs it')
}

const isMultiplication = (node: Node | null): boolean => node !== null && opOf(node)?.class === 'multiply'

/** The value between an operator and the clamp that it absorbs. */
function isInternal(value: Value, { writers }: Plan): boolean {
  const [consumer] = value.consumers.keys()
  return value.consumers.size === 1 && consumer !== undefined && absorbs(consumer, writers)
}

const absorbs = (consumer: Node, writers: ReadonlySet<Node>): boolean =>
  opOf(consumer)?.class === 'clamp' && writers.has(consumer) && isAbsorbed(consumer, writers)

function outputIsQuantized({ node, support, plan }: Site): boolean {
  if (!plan.writers.has(node) || support.output === 'float') return false
  const consumers = [...(node.outputs[0]?.consumers.keys() ?? [])]
  if (consumers.some((consumer) => absorbs(consumer, plan.writers))) return false
  return support.output === 'required' || feeds(node, plan.nodes)
}

function planInput(site: Site, value: Value, index: number): void {
  const { node, def, spec, plan, target } = site
  const role = inputRole(def, index)
  if (role.kind === 'bias') planBias(site, value, role)
  else if (role.kind !== 'activation' && role.kind !== 'weight') return
  else if (!value.isConstant) planComputed(site, value, index)
  else if (role.kind === 'activation')
    plan.constants.push({ node, index, value, role: 'activation', axis: null, ...spec })
  else
    plan.constants.push({
      node,
      index,
      value,
      role: 'weight',
      axis: weightAxis(site, value, role),
      ...specOf(target.weight),
      ...(target.accumulator === 'int16-pairs' && {
        saturatesAlong: role.axis(node, value.tensor?.shape.length ?? 0) ?? 0,
      }),
    })
}

/** A value that is there in another format is converted; what only moves numbers takes them as they are. */
function planComputed({ node, def, spec, plan }: Site, value: Value, index: number): void {
  planValue(value, { kind: 'own', ...spec }, plan)
  if (def.class !== 'movement' && formatOf(value, plan) !== spec.qtype)
    plan.converts.push({ node, index, value, to: { spec } })
}

/** Rows of a table are in the format of the table, which is a constant. */
function formatOf(value: Value, plan: Plan): string | undefined {
  const planned = plan.values.get(value)
  if (planned?.kind === 'shared') return formatOf(planned.with, plan)
  return planned?.qtype ?? plan.constants.find((constant) => constant.value === value)?.qtype
}

function weightAxis(
  { node, support, target, options }: Site,
  value: Value,
  role: Role & { kind: 'weight' },
): number | null {
  const granularity = support.weight_granularity ?? target.weight.granularity
  if (!options.perChannel || granularity !== 'channel') return null
  return role.axis(node, value.tensor?.shape.length ?? 0)
}

function planBias({ node, def, plan, target }: Site, value: Value, role: Role & { kind: 'bias' }): void {
  if (target.bias.dtype === 'int8' && value.isConstant)
    plan.constants.push({
      node,
      index: node.inputs.indexOf(value),
      value,
      role: 'weight',
      axis: null,
      ...specOf(target.weight),
    })
  if (target.bias.dtype !== 'int32') return
  const [input, weight] = [role.input, role.weight].map((name) => node.inputs[inputIndex(def, name)])
  if (input && weight?.isConstant) plan.biases.set(node, { input, weight, bias: value })
}

function planOutput({ node, def, support, spec, isWide, plan }: Site, value: Value, role: Role): void {
  const given = isWide ? support.fixed_wide_output : support.fixed_output
  if (given) planValue(value, { kind: 'given', scale: given.scale, zeroPoint: given.zero_point, ...spec }, plan)
  else if (role.kind === 'activation') planValue(value, { kind: 'own', ...spec }, plan)
  else if (role.kind === 'fixed') planValue(value, { kind: 'fixed', range: role.range, ...spec }, plan)
  const source = role.kind === 'same' ? node.inputs[inputIndex(def, role.as)] : null
  if (source) planValue(value, { kind: 'shared', with: source }, plan)
}

/** The first plan of a value stands: its producer is visited before its readers. */
function planValue(value: Value, planned: ValuePlan, plan: Plan): void {
  if (!plan.values.has(value)) plan.values.set(value, planned)
}

/** One scale for everything that the node reads and writes as numbers; what has prescribed parameters is converted. */
function tie({ node, def, plan }: Site, written: readonly Value[]): void {
  const [as] = written
  const tied = [...written]
  node.inputs.forEach((value, index) => {
    if (!value || inputRole(def, index).kind !== 'activation') return
    if (!givenOf(value, plan)) tied.push(value)
    else if (as) plan.converts.push({ node, index, value, to: { as } })
  })
  if (tied.length > 1) plan.ties.push(tied)
}
