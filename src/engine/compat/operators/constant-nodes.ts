/** Weights in Constant nodes become weights like others, which make ONNX Runtime's quantizer fail. */

import { type Graph, sortedNodes, type Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'

const LAYERS = new Set<Operator>(['Conv', 'Gemm', 'MatMul', 'LSTM', 'Gather'])

export function weightsToInitializers(graph: Graph): void {
  for (const node of sortedNodes(graph)) {
    const tensor = node.opType === 'Constant' ? node.tensor('value') : undefined
    const [value] = node.outputs
    if (tensor?.dtype !== 'float32' || !value || !isWeight(value) || graph.outputs.includes(value)) continue
    graph.removeNode(node)
    value.tensor = tensor
    value.dtype = tensor.dtype
    value.shape = tensor.shape
    graph.addInitializer(value)
  }
}

const isWeight = ({ consumers }: Value): boolean => [...consumers.keys()].some(({ opType }) => LAYERS.has(opType))
