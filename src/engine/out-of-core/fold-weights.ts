/** Folds what is computed from large constants alone, one node at a time, so that no two weights lie in memory together. */

import { Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { type Tensor, tensorOf } from '../ir/tensor.ts'
import type { RunTensor, Runtime } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { isLargeTensor } from './weights.ts'

/** what ONNX Runtime folds neither, or what would grow */
const LEFT = new Set<Operator>(['DequantizeLinear', 'QuantizeLinear', 'Expand', 'Tile', 'Gather', 'Shape'])

/** Replaces nodes whose inputs are all constant, one of them large, by their results. */
export async function foldWeights(model: Model, runtime: Runtime, workspace: Workspace): Promise<void> {
  for (const node of sortedNodes(model.graph)) {
    const constant = node.opType === 'Constant' ? node.tensor('value') : undefined
    if (isLargeTensor(constant)) replace(model, node, () => constant)
    else if (isFoldable(node)) {
      const results = await compute(model, node, runtime, workspace)
      replace(model, node, ({ name }) => workspace.keep(toTensor(results[name]!)))
    }
  }
}

function replace({ graph }: Model, node: Node, tensorOf: (value: Value) => Tensor): void {
  const outputs = node.outputs.filter((value): value is Value => value !== null)
  graph.removeNode(node)
  for (const value of outputs) {
    value.tensor = tensorOf(value)
    value.dtype = value.tensor.dtype
    value.shape = value.tensor.shape
    graph.addInitializer(value)
  }
}

function isFoldable({ inputs, outputs, opType, domain, subgraphs }: Node): boolean {
  if (domain !== '' || LEFT.has(opType) || subgraphs.length > 0) return false
  const known = inputs.filter((value) => value !== null)
  const isOwn = outputs.every((value) => value === null || value.opaqueType === undefined)
  return isOwn && known.every(({ isConstant }) => isConstant) && known.some(({ tensor }) => isLargeTensor(tensor))
}

async function compute(model: Model, node: Node, runtime: Runtime, workspace: Workspace) {
  const graph = new Graph('fold')
  graph.addNode(node)
  for (const value of node.inputs) if (value) graph.addInitializer(value)
  graph.outputs.push(...node.outputs.filter((value): value is Value => value !== null))
  const path = workspace.save('fold.onnx', { ...model, graph })
  const session = await runtime.load(path, { optimization: 'disabled' })
  const results = await session.run({})
  await session.release()
  return results
}

const toTensor = ({ dtype, dims, data }: RunTensor): Tensor => tensorOf(dtype, dims, data as ArrayBufferView)
