/** Reverse-mode differentiation: appends to a graph the standard ONNX nodes that compute gradients. */
import { FewbitError } from '../../shared/errors.ts'
import { capturedValues, type Graph, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import type { OpDef } from '../ops/define.ts'
import { type GradientRule, nameAt } from '../ops/gradients/define.ts'
import { Emitter, isFloat } from '../ops/gradients/emitter.ts'
import { opOf } from '../ops/index.ts'
import { unbroadcast } from './unbroadcast.ts'

export type { GradientRule } from '../ops/gradients/define.ts'

/** Rules by "domain:OpType", for operators beyond the table; they come before it. */
export type CustomRules = ReadonlyMap<string, GradientRule>

/**
 * Appends to `graph` the nodes that compute d loss / d `wrt` and returns the gradient of each; a value that does not reach the loss has no entry.
 * `seeds`: the loss, a value of one element, or upstream gradients by value. Dtypes and shapes must be filled in; what is added needs operator set 16
 * and has names that begin with `gradient/`. Throws not_differentiable before the graph is changed.
 */
export function differentiate(
  graph: Graph,
  seeds: ReadonlyMap<Value, Value> | Value,
  wrt: readonly Value[],
  custom: CustomRules = new Map(),
): Map<Value, Value> {
  const losses = seeds instanceof Map ? [...(seeds as ReadonlyMap<Value, Value>).keys()] : [seeds as Value]
  const path = pathOf(graph, losses, wrt)
  refuse(path, custom)
  const emitter = new Emitter(graph)
  try {
    const gradients = backward(emitter, path, seedsOf(emitter, seeds), custom)
    const found = wrt.flatMap((value): [Value, Value][] => {
      const gradient = gradients(value)
      return gradient ? [[value, gradient]] : []
    })
    emitter.commit(found.map(([, gradient]) => gradient))
    return new Map(found)
  } catch (error) {
    emitter.discard()
    throw error
  }
}

/** The nodes between `wrt` and `loss` that have no gradient rule, in executable order. */
export function undifferentiable(
  graph: Graph,
  loss: readonly Value[],
  wrt: readonly Value[],
  custom: CustomRules = new Map(),
): Node[] {
  return pathOf(graph, loss, wrt).nodes.filter((node) => reasonAgainst(node, custom) !== null)
}

interface Path {
  /** nodes that lie between, in executable order */
  nodes: readonly Node[]
  /** values that depend on `wrt`, and `wrt` itself */
  varying: ReadonlySet<Value>
}

/** What depends on `wrt` through float values and reaches a loss. */
function pathOf(graph: Graph, losses: readonly Value[], wrt: readonly Value[]): Path {
  const varying = new Set(wrt)
  const dependent = sortedNodes(graph).filter((node) => {
    const depends = readValues(node).some((value) => varying.has(value))
    if (depends) for (const value of node.outputs) if (value && isFloat(value)) varying.add(value)
    return depends
  })
  const needed = new Set(losses)
  const nodes = dependent.reverse().filter((node) => {
    const reaches = node.outputs.some((value) => value && needed.has(value) && varying.has(value))
    if (reaches) for (const value of readValues(node)) if (varying.has(value)) needed.add(value)
    return reaches
  })
  return { nodes: nodes.reverse(), varying }
}

const readValues = (node: Node): Value[] => [
  ...node.inputs.filter((value) => value !== null),
  ...(node.subgraphs.length > 0 ? capturedValues(node) : []),
]

const isRule = (def: OpDef | undefined): def is OpDef & GradientRule => def?.gradient !== undefined

function ruleOf(node: Node, custom: CustomRules): GradientRule | undefined {
  const def = opOf(node)
  return custom.get(`${node.domain}:${node.opType}`) ?? (isRule(def) ? def : undefined)
}

function reasonAgainst(node: Node, custom: CustomRules): string | null {
  if (node.subgraphs.length > 0) return 'gradients do not go through subgraphs'
  const rule = ruleOf(node, custom)
  return rule ? (rule.refusesGradient?.(node) ?? null) : 'the operator has no gradient rule'
}

function refuse({ nodes }: Path, custom: CustomRules): void {
  const refused = nodes.flatMap((node) => {
    const reason = reasonAgainst(node, custom)
    return reason === null ? [] : [`node "${node.name}" (${operatorOf(node)}): ${reason}`]
  })
  if (refused.length === 0) return
  const shown = refused.slice(0, 5).join('; ')
  const more = refused.length > 5 ? `; and ${refused.length - 5} more` : ''
  throw new FewbitError('not_differentiable', `no gradient can be built: ${shown}${more}`, {
    hint: 'training needs a gradient of every operator between the weights and the outputs; use a method that only calibrates, or replace these nodes',
  })
}

const operatorOf = ({ domain, opType }: Node): string => (domain ? `${domain}:${opType}` : opType)

function seedsOf(g: Emitter, seeds: ReadonlyMap<Value, Value> | Value): Map<Value, Value[]> {
  if (seeds instanceof Map) return new Map([...(seeds as ReadonlyMap<Value, Value>)].map(([y, dy]) => [y, [dy]]))
  const loss = seeds as Value
  const shape = loss.shape?.every((dim) => dim === 1) ? loss.shape.map(() => 1) : []
  return new Map([[loss, [g.numbers([1], shape, loss)]]])
}

/** Visits the nodes in reverse; the returned function sums what has arrived at a value. */
function backward(
  g: Emitter,
  { nodes, varying }: Path,
  arrived: Map<Value, Value[]>,
  custom: CustomRules,
): (value: Value) => Value | undefined {
  const total = (value: Value): Value | undefined => {
    const parts = arrived.get(value)
    if (!parts) return undefined
    const sum = g.sum(parts)
    arrived.set(value, [sum])
    return sum
  }
  for (const node of [...nodes].reverse()) {
    const rule = ruleOf(node, custom)
    if (!rule) continue
    const upstream = named(node.outputs, rule.outputs, (value) => total(value))
    if (Object.keys(upstream).length > 0) visit(g, node, rule, upstream, varying, arrived)
  }
  return total
}

/** Adds the gradients of one node's inputs to what has arrived. */
function visit(
  g: Emitter,
  node: Node,
  rule: GradientRule,
  upstream: Readonly<Record<string, Value>>,
  varying: ReadonlySet<Value>,
  arrived: Map<Value, Value[]>,
): void {
  const itself = (value: Value) => value
  const made = rule.gradient(
    g,
    named(node.inputs, rule.inputs, itself),
    upstream,
    named(node.outputs, rule.outputs, itself),
    node,
  )
  for (const [index, value] of node.inputs.entries()) {
    if (!value || !varying.has(value)) continue
    const name = nameAt(rule.inputs, index)
    const make = name !== undefined && made[name]
    if (!make) refuseInput(node, name ?? String(index))
    const gradient = make()
    if (gradient)
      arrived.set(value, [...(arrived.get(value) ?? []), unbroadcast(g, gradient, value, rule.broadcasts ?? false)])
  }
}

function refuseInput(node: Node, name: string): never {
  throw new FewbitError(
    'not_differentiable',
    `no gradient can be built: node "${node.name}" (${operatorOf(node)}): its input ${name} must be a constant`,
    { hint: 'only inputs through which a gradient flows may depend on what is trained' },
  )
}

function named(
  values: readonly (Value | null)[],
  names: readonly string[],
  pick: (value: Value) => Value | undefined,
): Record<string, Value> {
  return Object.fromEntries(
    values.flatMap((value, index) => {
      const name = nameAt(names, index)
      const picked = value && pick(value)
      return name !== undefined && picked ? [[name, picked]] : []
    }),
  )
}
