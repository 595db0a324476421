/** HardSigmoid behind a layer with weights as a product, a sum and a clamp: the first two go into the weights, the last into the integers' range. */
import { addInitializer, addNode, replaceNode } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import { float32 } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import type { Pass } from './pass.ts'

/** Nodes that `stays` names are left alone, and so are those that no layer in front of them could take in. */
export const expandHardSigmoid = (stays: (node: Node) => boolean): Pass => ({
  name: 'expand-hard-sigmoid',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes]) if (isTakenIn(node, graph) && !stays(node)) expand(model, graph, node)
  },
})

function isTakenIn({ opType, domain, inputs: [x] }: Node, graph: Graph): boolean {
  if (opType !== 'HardSigmoid' || domain !== '' || x?.dtype !== 'float32' || !x.producer) return false
  const isAlone = x.consumers.size === 1 && !graph.outputs.includes(x)
  return isAlone && opOf(x.producer)?.class === 'multiply' && x.producer.inputs[1]?.isConstant === true
}

function expand(model: Model, graph: Graph, node: Node): void {
  const [x] = node.inputs
  if (!x) return
  const scalar = (name: string, value: number) =>
    addInitializer(model, graph, `${node.name}_${name}`, float32([], [value]))
  const compute = (opType: string, inputs: readonly Value[], part: string) =>
    Object.assign(addNode(model, graph, opType, inputs, { name: `${node.name}_${part}` }), {
      dtype: x.dtype,
      shape: x.shape,
    })
  const steep = compute('Mul', [x, scalar('alpha', node.float('alpha', 0.2))], 'slope')
  const moved = compute('Add', [steep, scalar('beta', node.float('beta', 0.5))], 'sum')
  replaceNode(model, graph, node, 'Clip', [moved, scalar('zero', 0), scalar('one', 1)])
}
