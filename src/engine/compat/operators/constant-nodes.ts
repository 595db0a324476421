/** Weights in Constant nodes become weights like others. */
import { type Model, sortedNodes } from '../../ir/graph.ts'

export function constantNodesToInitializers({ graph }: Model): void {
  for (const node of sortedNodes(graph)) {
    const tensor = node.opType === 'Constant' ? node.tensor('value') : undefined
    const [value] = node.outputs
    if (!tensor || !value || graph.outputs.includes(value)) continue
    graph.removeNode(node)
    value.tensor = tensor
    value.dtype = tensor.dtype
    value.shape = tensor.shape
    graph.addInitializer(value)
  }
}
