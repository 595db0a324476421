/** A mean over all spatial axes is a GlobalAveragePool, which has an integer kernel. */
import { addInitializer, addNode, ints, type NodeOptions, replaceNode } from '../ir/build.ts'
import { allGraphs, freshName, type Graph, type Model, type Node, Value } from '../ir/graph.ts'
import { int64 } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'
import { axesOf } from './reduced-axes.ts'

export const meanToPool: Pass = {
  name: 'mean-to-pool',
  run: (model) => {
    for (const graph of allGraphs(model.graph)) for (const node of [...graph.nodes]) rewrite(model, graph, node)
  },
}

function rewrite(model: Model, graph: Graph, node: Node): void {
  const [input] = node.inputs
  const [output] = node.outputs
  const rank = input?.shape?.length ?? 0
  if (node.opType !== 'ReduceMean' || node.domain !== '' || !input || !output || rank < 3 || input.dtype !== 'float32')
    return
  const axes = axesOf(node)?.map((axis) => (axis < 0 ? axis + rank : axis))
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 2)
  if (axes?.toSorted((a, b) => a - b).join() !== spatial.join()) return
  const keeps = node.int('keepdims', 1) === 1
  if (keeps) {
    replaceNode(model, graph, node, 'GlobalAveragePool', [input])
    return
  }
  const pooled = new Value(freshName(model, `${output.name}_pooled`), 'float32', [
    ...(input.shape ?? []).slice(0, 2),
    ...spatial.map(() => 1),
  ])
  replaceNode(model, graph, node, 'GlobalAveragePool', [input], { outputs: [pooled] })
  squeeze(model, graph, pooled, spatial, { name: `${node.name}_squeeze`, outputs: [output] })
}

/** the operator set since which the axes of Squeeze are an input */
const AXES_AS_INPUT = 13

function squeeze(model: Model, graph: Graph, input: Value, axes: readonly number[], options: NodeOptions): void {
  const isInput = (model.opsets.get('') ?? AXES_AS_INPUT) >= AXES_AS_INPUT
  if (isInput) {
    const constant = addInitializer(model, graph, `${options.name}_axes`, int64([axes.length], axes))
    addNode(model, graph, 'Squeeze', [input, constant], options)
  } else addNode(model, graph, 'Squeeze', [input], { ...options, attributes: { axes: ints(axes) } })
}
