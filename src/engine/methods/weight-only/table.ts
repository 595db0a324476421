/** Gather from a constant table of rows becomes GatherBlockQuantized: only the rows that are picked are expanded. */
import { addNode, int } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { elementCount, type Tensor, view } from '../../ir/tensor.ts'
import { blocksOf, type Context, type Decided, forContrib, type Rewrite, type Site, SMALLEST } from './weight.ts'

const LEAST_BLOCK = 16

export const table: Rewrite = {
  refuses,
  describes: ({ inputs }, options) =>
    `rows of ${options.bits}-bit weights in blocks of ${blockSizeFor(inputs[0]!.tensor!, options)}`,
  apply,
}

/** The block size of the job, or the largest smaller one that divides a row; null when there is none. */
function blockSizeFor({ shape }: Tensor, { block_size }: Decided): number | null {
  const width = shape.at(-1) ?? 0
  for (let size = block_size as number; size >= LEAST_BLOCK; size /= 2) if (width % size === 0) return size
  return null
}

function refuses(node: Node, options: Decided): string | null {
  if (!options.embeddings) return 'tables of embeddings stay as they are'
  if (options.format === 'qdq') return 'standard operators would expand the whole table in every run'
  const rows = node.inputs[0]
  if (rows?.tensor?.dtype !== 'float32' || rows.tensor.shape.length !== 2)
    return 'it picks from no constant float32 table'
  if (elementCount(rows.tensor.shape) < SMALLEST) return 'its table is small'
  if (blockSizeFor(rows.tensor, options) === null) return `its rows cannot be cut into blocks of ${LEAST_BLOCK} or more`
  return isShared(rows) ? 'its table is read by other operators too' : null
}

/** Whether somebody needs the table in float all the same. */
const isShared = (rows: Value): boolean =>
  [...rows.consumers.keys()].some(
    (node) => node.opType !== 'Gather' || node.inputs[0] !== rows || node.int('axis', 0) !== 0,
  )

function apply(context: Context, { graph, node }: Site, options: Decided): void {
  const { model } = context
  const [rows, indices] = node.inputs
  const [output] = node.outputs
  if (!rows?.tensor || !indices || !output) return
  const [N, K] = rows.tensor.shape as [number, number]
  const blockSize = blockSizeFor(rows.tensor, options) as Decided['block_size']
  const matrix = { values: view(rows.tensor, 'float32'), K, N, byColumn: true }
  const own = { ...options, block_size: blockSize }
  const write = forContrib(N, own.bits, ({ packed }) => [N, packed.length / N])
  const [integers, ...parameters] = blocksOf(context, graph, rows.name, matrix, own, write)
  graph.removeNode(node)
  addNode(model, graph, 'GatherBlockQuantized', [integers!, indices, ...parameters], {
    domain: MICROSOFT,
    name: node.name,
    outputs: [output],
    attributes: { bits: int(own.bits), block_size: int(blockSize), gather_axis: int(0), quantize_axis: int(1) },
  })
}
