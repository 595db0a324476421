/** Gather from a constant table of rows becomes GatherBlockQuantized: only the rows that are picked are expanded. */
import { addInitializer, addNode, int } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import type { Graph, Node, Value } from '../../ir/graph.ts'
import { elementCount, int64, view } from '../../ir/tensor.ts'
import {
  blockSizeFor,
  blocksOf,
  type Context,
  type Decided,
  forContrib,
  LEAST_BLOCK,
  type Rewrite,
  type Site,
  SMALLEST,
} from './weight.ts'

export const table: Rewrite = {
  weights: [0],
  refuses,
  describes: ({ inputs }, options) =>
    `rows of ${options.bits}-bit weights in blocks of ${blockSizeFor(widthOf(inputs[0]!), options)}`,
  apply,
}

const widthOf = ({ tensor }: Value): number => tensor!.shape.at(-1) ?? 0

function refuses(node: Node, options: Decided): string | null {
  if (!options.embeddings) return 'tables of embeddings stay as they are'
  if (options.format === 'qdq') return 'standard operators would expand the whole table in every run'
  const rows = node.inputs[0]
  if (rows?.tensor?.dtype !== 'float32' || rows.tensor.shape.length !== 2)
    return 'it picks from no constant float32 table'
  if (elementCount(rows.tensor.shape) < SMALLEST) return 'its table is small'
  if (blockSizeFor(widthOf(rows), options) === null)
    return `its rows cannot be cut into blocks of ${LEAST_BLOCK} or more`
  return node.int('axis', 0) === 0 ? null : 'it picks along another axis than the rows'
}

function apply(context: Context, { graph, node }: Site, options: Decided): void {
  const { model } = context
  const [rows, indices] = node.inputs
  const [output] = node.outputs
  if (!rows?.tensor || !indices || !output) return
  const [N, K] = rows.tensor.shape as [number, number]
  const blockSize = blockSizeFor(K, options)!
  const matrix = { values: view(rows.tensor, 'float32'), K, N, byColumn: true }
  const own = { ...options, block_size: blockSize }
  const isTied = context.tied.has(rows)
  const bytes = (blockSize * own.bits) / 8
  const write = forContrib(N, own.bits, ({ packed, blocks }) => (isTied ? [N, blocks, bytes] : [N, packed.length / N]))
  const [packed, ...parameters] = blocksOf(context, graph, rows.name, matrix, own, write)
  const integers = isTied ? inRows(context, graph, packed!, N) : packed
  graph.removeNode(node)
  addNode(model, graph, 'GatherBlockQuantized', [integers!, indices, ...parameters], {
    domain: MICROSOFT,
    name: node.name,
    outputs: [output],
    attributes: { bits: int(own.bits), block_size: int(blockSize), gather_axis: int(0), quantize_axis: int(1) },
  })
}

/** The blocks as products read them, one row after the other. */
function inRows({ model }: Context, graph: Graph, packed: Value, rows: number): Value {
  const shape = addInitializer(model, graph, `${packed.name}_rows`, int64([2], [rows, -1]))
  return addNode(model, graph, 'Reshape', [packed, shape], { name: `${packed.name}_Reshape` })
}
