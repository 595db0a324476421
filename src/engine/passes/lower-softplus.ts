/** Softplus for targets without it: max(x, 0) − log(sigmoid(|x|)), whose parts stay small where e^x does not. */
import { addInitializer, addNode, replaceNode } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { float32 } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

const PARTS = ['Mul', 'Max', 'Sigmoid', 'Log', 'Relu', 'Sub']

/** `has` says which operators the target computes in integers; nodes that `stays` names are left alone. */
export const lowerSoftplus = (has: (opType: string) => boolean, stays: (node: Node) => boolean): Pass => ({
  name: 'lower-softplus',
  run: (model) => {
    if (has('Softplus') || !PARTS.every(has)) return
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes])
        if (node.opType === 'Softplus' && node.domain === '' && !stays(node)) lower(model, graph, node)
  },
})

function lower(model: Model, graph: Graph, node: Node): void {
  const [x] = node.inputs
  if (x?.dtype !== 'float32') return
  const write = (opType: Operator, inputs: readonly Value[], part: string) =>
    Object.assign(addNode(model, graph, opType, inputs, { name: `${node.name}_${part}` }), {
      dtype: x.dtype,
      shape: x.shape,
    })
  const minus = addInitializer(model, graph, `${node.name}_minus`, float32([], [-1]))
  const size = write('Max', [x, write('Mul', [x, minus], 'negated')], 'size')
  const rest = write('Log', [write('Sigmoid', [size], 'gate')], 'rest')
  replaceNode(model, graph, node, 'Sub', [write('Relu', [x], 'positive'), rest])
}
