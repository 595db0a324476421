/**
 * Block-wise reconstruction: the network falls into blocks where a single value leads from one to the next, and every block learns to give
 * what it gives in the float model, from the inputs that the quantized blocks before it really make.
 * Source of the idea: Li et al., "BRECQ: Pushing the Limit of Post-Training Quantization by Block Reconstruction" (2021).
 */

import { freshName, type Graph, type Model, type Node, replaceUses, sortedNodes, Value } from '../../ir/graph.ts'
import { opOf } from '../../ops/index.ts'
import type { LossTerm } from './losses.ts'
import { addStop } from './pseudo.ts'
import type { Student } from './student.ts'

/** weights in a block: two layers that make up for each other's errors, or all branches around them */
const LEAST_WEIGHTS = 2

/** Matrices and kernels that activations are multiplied by. */
const isWeight = ({ tensor, consumers }: Value): boolean =>
  tensor?.dtype === 'float32' &&
  tensor.shape.length > 1 &&
  [...consumers.keys()].some((node) => opOf(node)?.class === 'multiply')

/**
 * Names of the values at the ends of blocks, in order, for each end the last that would do first: operators that hold no weights may be absent
 * from the quantized graph. Outputs of the graph end the last block and are not among them.
 */
export function blockEnds(graph: Graph): string[][] {
  const order = sortedNodes(graph)
  const varying = dependents(order)
  const last = lastReads(graph, order)
  const alive = new Set<Value>()
  const ends: string[][] = []
  let candidates: string[] = []
  let weights = 0
  for (const [at, node] of order.entries()) {
    const own = node.inputs.filter((value) => value !== null && isWeight(value)).length
    if (own > 0 && candidates.length > 0) {
      ends.push(candidates.reverse())
      candidates = []
      weights = 0
    }
    weights += own
    for (const value of node.outputs) if (value && varying.has(value)) alive.add(value)
    for (const value of alive) if ((last.get(value) ?? -1) <= at) alive.delete(value)
    const [only] = alive
    if (weights >= LEAST_WEIGHTS && only && alive.size === 1 && only.dtype === 'float32') candidates.push(only.name)
  }
  return ends
}

/** What weights have a part in. */
function dependents(order: readonly Node[]): Set<Value> {
  const varying = new Set<Value>()
  for (const node of order) {
    const depends = node.inputs.some((value) => value !== null && (isWeight(value) || varying.has(value)))
    if (depends || node.subgraphs.length > 0) for (const value of node.outputs) if (value) varying.add(value)
  }
  return varying
}

/** The position of the last node that reads a value; outputs of the graph are read after the end. */
function lastReads({ outputs }: Graph, order: readonly Node[]): Map<Value, number> {
  const last = new Map<Value, number>()
  for (const [at, node] of order.entries()) for (const value of node.inputs) if (value) last.set(value, at)
  for (const value of outputs) last.set(value, order.length)
  return last
}

/**
 * Cuts a student at the ends that it has: they become outputs beside its own, and no gradient crosses them. Returns the loss, of which every block has
 * an equal share, and the names of the values that the float model has to show for it.
 */
export function divideIntoBlocks(
  student: Student,
  ends: readonly (readonly string[])[],
): { terms: LossTerm[]; ends: string[] } {
  const { model } = student
  const produced = new Map(
    [...model.graph.nodes].flatMap(({ outputs }) => outputs.flatMap((value) => (value ? [[value.name, value]] : []))),
  )
  const isInner = (value: Value) => !model.graph.outputs.includes(value)
  const found = ends.flatMap((names) =>
    names
      .flatMap((name) => produced.get(name) ?? [])
      .filter(isInner)
      .slice(0, 1),
  )
  const outputs = model.graph.outputs.filter(({ dtype }) => dtype === 'float32')
  for (const value of found) stopGradient(model, value)
  model.graph.outputs.push(...found)
  const weight = 1 / (found.length + 1)
  const about = ({ name }: Value, share: number): LossTerm => ({ output: name, weight: share, kind: 'squared_error' })
  return {
    terms: [
      ...outputs.map((value) => about(value, weight / outputs.length)),
      ...found.map((value) => about(value, weight)),
    ],
    ends: found.map(({ name }) => name),
  }
}

function stopGradient(model: Model, value: Value): void {
  const stopped = new Value(freshName(model, `${value.name}_stop`), 'float32', value.shape)
  replaceUses(value, stopped)
  addStop({ model, graph: model.graph }, value, stopped)
}
