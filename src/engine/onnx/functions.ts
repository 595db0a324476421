/** Model-local functions: carried through unread, but counted, because calls of calls can unfold to any size. */
import { FewbitError } from '../../shared/errors.ts'
import { LIMITS, tooComplex } from './limits.ts'
import type { Message } from './schema.ts'

type Nodes = readonly Message<'NodeProto'>[]

const keyOf = (domain = '', name = '', overload = ''): string =>
  JSON.stringify([domain === 'ai.onnx' ? '' : domain, name, overload])

/** Keys (domain, name) of all functions of the model. */
export type FunctionTable = ReadonlyMap<string, Message<'FunctionProto'>>

export const functionTable = (functions: readonly Message<'FunctionProto'>[] = []): FunctionTable =>
  new Map(functions.map((fn) => [keyOf(fn.domain, fn.name, fn.overload), fn]))

export const calledFunction = (table: FunctionTable, { domain, op_type, overload }: Message<'NodeProto'>) =>
  table.get(keyOf(domain, op_type, overload))

/** All nodes, those of subgraphs included. */
export function* allNodes(nodes: Nodes = []): Generator<Message<'NodeProto'>> {
  for (const node of nodes) {
    yield node
    for (const { g, graphs = [] } of node.attribute ?? [])
      for (const graph of g ? [g, ...graphs] : graphs) yield* allNodes(graph.node)
  }
}

/** Throws model_too_complex when the calls unfold to too many nodes, model_invalid when a function calls itself. */
export function limitExpansion(table: FunctionTable, nodes: Nodes): void {
  const sizes = new Map<string, number>()
  const open = new Set<string>()
  const sizeOf = (body: Nodes): number => {
    let total = 0
    for (const node of allNodes(body)) total += sizeOfNode(node)
    if (total > LIMITS.expandedNodes)
      throw tooComplex(`more than ${LIMITS.expandedNodes} nodes when its functions are expanded`)
    return total
  }
  const sizeOfNode = (node: Message<'NodeProto'>): number => {
    const fn = calledFunction(table, node)
    if (!fn) return 1
    const key = keyOf(fn.domain, fn.name, fn.overload)
    if (open.has(key)) throw new FewbitError('model_invalid', `the function "${fn.name}" calls itself`)
    if (open.size >= LIMITS.functionDepth)
      throw tooComplex(`functions that call each other ${LIMITS.functionDepth} levels deep`)
    open.add(key)
    const size = sizes.get(key) ?? sizeOf(fn.node ?? [])
    open.delete(key)
    sizes.set(key, size)
    return size
  }
  sizeOf(nodes)
}
