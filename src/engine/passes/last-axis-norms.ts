/** Integer kernels of LpNormalization work along the last axis; another one is brought there. */
import { int } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node } from '../ir/graph.ts'
import { alongAxis } from './move-axis.ts'
import type { Pass } from './pass.ts'

/** Nodes that `stays` names are left alone. */
export const lastAxisNorms = (stays: (node: Node) => boolean): Pass => ({
  name: 'last-axis-norms',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes])
        if (node.opType === 'LpNormalization' && node.domain === '' && !stays(node)) rewrite(model, graph, node)
  },
})

function rewrite(model: Model, graph: Graph, node: Node): void {
  const [x] = node.inputs
  const axis = node.int('axis', -1)
  const p = node.int('p', 2)
  if (!x?.shape || axis === -1 || axis === x.shape.length - 1) return
  const place = { model, graph, node, axis: axis < 0 ? axis + x.shape.length : axis, shape: x.shape }
  alongAxis(place, 'LpNormalization', [x], { attributes: { axis: int(-1), p: int(p) } })
}
