/** Gather from a large constant table. */
import { addInitializer, addNode, int } from '../../ir/build.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { elementCount, scalar, tensorOf, view } from '../../ir/tensor.ts'
import { quantizeTensor, scaleZeroPointOf } from '../../quant/math.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'

const SMALLEST_TABLE = 1024

export const gather: Rewrite = {
  weightIndex: 0,
  smallestRank: 1,
  reason: 'its table is stored as uint8',
  refuses: (_, table) => (elementCount(table.shape) < SMALLEST_TABLE ? 'its table is small' : null),
  apply: rewriteGather,
}

/** The table is stored as uint8; only the rows that were picked are converted back. */
function rewriteGather({ model, domain }: DynamicContext, graph: Graph, node: Node): void {
  const [table, indices] = node.inputs
  const [output] = node.outputs
  const tensor = floatConstant(table)
  if (!table || !tensor || !indices || !output) return
  const parameters = scaleZeroPointOf(view(tensor, 'float32'), 'uint8', { symmetric: false })
  const integers = quantizeTensor(view(tensor, 'float32'), parameters, 'uint8')
  const quantized = addInitializer(model, graph, `${table.name}_quantized`, tensorOf('uint8', tensor.shape, integers))
  const scale = addInitializer(model, graph, `${table.name}_scale`, scalar(parameters.scale))
  const zeroPoint = addInitializer(
    model,
    graph,
    `${table.name}_zero_point`,
    tensorOf('uint8', [], Uint8Array.of(parameters.zeroPoint)),
  )
  graph.removeNode(node)
  const picked = addNode(model, graph, 'Gather', [quantized, indices], {
    name: node.name,
    attributes: { axis: int(node.int('axis', 0)) },
  })
  addNode(model, graph, 'DequantizeLinear', [picked, scale, zeroPoint], {
    name: `${node.name}_DequantizeLinear`,
    outputs: [output],
    domain,
  })
}
