/** Gather from a large constant table. */
import { addInitializer, addNode, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { elementCount, float32, scalar, tensorOf, view } from '../../ir/tensor.ts'
import { quantizePerChannel, quantizeTensor, scaleZeroPointOf } from '../../quant/math.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'

const FLOAT32 = codeOf('float32')
const SMALLEST_TABLE = 1024

export const gather: Rewrite = {
  weightIndex: 0,
  smallestRank: 1,
  reason: 'its table is stored as uint8',
  refuses: (_, table) => (elementCount(table.shape) < SMALLEST_TABLE ? 'its table is small' : null),
  apply: rewriteGather,
}

function rewriteGather(context: DynamicContext, graph: Graph, node: Node): void {
  const [table] = node.inputs
  const inRows = context.perChannel && node.int('axis', 0) === 0 && table?.tensor?.shape.length === 2
  if (inRows && context.tied.has(table)) pickRows(context, graph, node)
  else pickElements(context, graph, node)
}

/** The integers of a product that reads the same table: int8 with a scale per row. */
function pickRows({ model }: DynamicContext, graph: Graph, node: Node): void {
  const [table, indices] = node.inputs
  const [output] = node.outputs
  const tensor = floatConstant(table)
  if (!table || !tensor || !indices || !output) return
  const { quantized, scales } = quantizePerChannel(view(tensor, 'float32'), tensor.shape, 0, 'int8', {
    symmetric: true,
  })
  const rows = addInitializer(model, graph, `${table.name}_quantized`, tensorOf('int8', tensor.shape, quantized))
  const scale = addInitializer(model, graph, `${table.name}_scale`, float32([scales.length, 1], scales))
  graph.removeNode(node)
  const picked = addNode(model, graph, 'Gather', [rows, indices], { name: node.name })
  const numbers = addNode(model, graph, 'Cast', [picked], {
    name: `${node.name}_Cast`,
    attributes: { to: int(FLOAT32) },
  })
  const factors = addNode(model, graph, 'Gather', [scale, indices], { name: `${node.name}_scales` })
  addNode(model, graph, 'Mul', [numbers, factors], { name: `${node.name}_Mul`, outputs: [output] })
}

/** The table is stored as uint8; only the rows that were picked are converted back. */
function pickElements({ model, domain }: DynamicContext, graph: Graph, node: Node): void {
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
