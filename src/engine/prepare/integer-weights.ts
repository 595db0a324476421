/** Weights that a file holds as integers behind DequantizeLinear become the float constants that they stand for; their grid is remembered. */
import { addInitializer, addNode, int } from '../ir/build.ts'
import { toFloat16 } from '../ir/float16.ts'
import { allGraphs, type Graph, kept, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { float32, type Grid, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import type { Pass } from '../passes/pass.ts'
import { toSingle } from '../passes/single-precision.ts'
import { dequantize, integersIn, isQType, onGrid, quantizeOn, restored } from '../quant/grid.ts'
import { integerTensor } from '../quant/packed.ts'

/** By the name of the value that holds the numbers. */
export type Grids = ReadonlyMap<string, Grid>

const isDequantize = ({ opType }: Node): boolean => opType === 'DequantizeLinear'
const isConversion = ({ opType }: Node): boolean => opType === 'DequantizeLinear' || opType === 'QuantizeLinear'

/** Whether the model dequantizes constants. */
export const hasIntegerWeights = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(({ nodes }) => [...nodes].some((node) => isDequantize(node) && isKnown(node)))

/** Whether a conversion reads constants only, perhaps through another one. */
const isKnown = ({ inputs }: Node): boolean =>
  inputs.every((value) => !value || constantOf(value) || isKnownSource(value))

const isKnownSource = ({ producer }: Value): boolean => producer?.opType === 'QuantizeLinear' && isKnown(producer)

const constantOf = (value: Value | null | undefined): Tensor | undefined =>
  value?.tensor ?? (value?.producer?.opType === 'Constant' ? value.producer.tensor('value') : undefined)

/** Folds the conversions of constants, in subgraphs too. Returns the grids of the weights. */
export function dequantizeWeights(model: Model): Grids {
  const grids = new Map<string, Grid>()
  for (const graph of allGraphs(model.graph)) {
    for (const node of sortedNodes(graph)) {
      if (isConversion(node)) fold(model, graph, node, grids)
      else passOn(node, grids)
    }
  }
  return grids
}

/** The grid moves with numbers that are only moved. */
function passOn(node: Node, grids: Map<string, Grid>): void {
  const [input] = node.inputs
  const [output] = node.outputs
  const grid = input && grids.get(input.name)
  if (!grid || !output || node.domain !== '') return
  if (node.opType === 'Identity') grids.set(output.name, grid)
  if (node.opType !== 'Transpose' || grid.blockSize > 1) return
  const order = node.ints('perm') ?? [...(input.shape ?? []).keys()].reverse()
  grids.set(output.name, { ...grid, axis: grid.axis === null ? null : order.indexOf(grid.axis) })
}

function fold(model: Model, graph: Graph, node: Node, grids: Map<string, Grid>): void {
  const [output] = node.outputs
  const [constant, scale, zeroPoint] = node.inputs.map(constantOf)
  if (!output || graph.outputs.includes(output) || !constant || !scale || (node.inputs[2] && !zeroPoint)) return
  const dtype = isDequantize(node) ? constant.dtype : (zeroPoint?.dtype ?? 'uint8')
  const grid = gridOf(node, constant, scale, zeroPoint, dtype)
  const tensor = grid && (isDequantize(node) ? numbersOf(constant, scale, grid) : integersOf(constant, grid))
  if (!tensor) return
  graph.removeNode(node)
  output.tensor = kept(model, tensor)
  output.dtype = tensor.dtype
  output.shape = tensor.shape
  graph.addInitializer(output)
  if (isDequantize(node) && isQType(dtype)) grids.set(output.name, grid!)
}

/** Until operator set 20 a conversion has no block size; a scale of one element belongs to everything. */
function gridOf(
  node: Node,
  { shape }: Tensor,
  scale: Tensor,
  zeroPoint: Tensor | undefined,
  dtype: Tensor['dtype'],
): Grid | null {
  const scales = view(toSingle(scale), 'float32')
  const zeroPoints = zeroPoint ? integersIn(zeroPoint) : new Int8Array(scales.length)
  const axis = node.int('axis', 1)
  const along = axis < 0 ? axis + shape.length : axis
  const blockSize = node.int('block_size', 0)
  if (!zeroPoints || !scales.every((x) => x > 0 && Number.isFinite(x))) return null
  if (scales.length === 1) return { dtype, scales, zeroPoints, axis: null, blockSize: 1 }
  return { dtype, scales, zeroPoints, axis: along, blockSize: Math.max(1, blockSize) }
}

function numbersOf(constant: Tensor, scale: Tensor, grid: Grid): Tensor | null {
  const integers = integersIn(constant)
  if (!integers) return null
  const values = dequantize(integers, grid, constant.shape)
  if (scale.dtype === 'float16') return tensorOf('float16', constant.shape, toFloat16(values))
  return scale.dtype === 'float32' ? float32(constant.shape, values) : null
}

function integersOf(constant: Tensor, grid: Grid): Tensor | null {
  if (!isQType(grid.dtype) || !['float32', 'float16'].includes(constant.dtype)) return null
  const values = view(toSingle(constant), 'float32')
  return integerTensor(grid.dtype, constant.shape, quantizeOn(values, grid, constant.shape))
}

/** Tells constants of a model that was written and read again where their numbers lie. */
export function rememberGrids(model: Model, grids: Grids): void {
  for (const { initializers } of allGraphs(model.graph)) {
    for (const value of initializers) {
      const grid = grids.get(value.name)
      if (grid && value.tensor) value.tensor = onGrid(value.tensor, grid)
    }
  }
}

/** Weights that came as integers and were left in float are integers in the file again. */
export const storeIntegers: Pass = {
  name: 'store-integers',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const value of [...graph.initializers]) if (value.consumers.size > 0) store(model, graph, value)
  },
}

function store(model: Model, graph: Graph, value: Value): void {
  const { tensor, name } = value
  if (!tensor?.grid || graph.outputs.includes(value)) return
  const { axis, blockSize } = tensor.grid
  const [integers, scales, zeroPoints] = restored(tensor, tensor.grid)
  const inputs = [
    addInitializer(model, graph, `${name}_integers`, integers),
    addInitializer(model, graph, `${name}_scale`, scales),
    addInitializer(model, graph, `${name}_zero_point`, zeroPoints),
  ]
  graph.initializers.delete(value)
  value.tensor = undefined
  addNode(model, graph, 'DequantizeLinear', inputs, {
    name: `${name}_DequantizeLinear`,
    outputs: [value],
    attributes: { ...(axis !== null && { axis: int(axis) }), ...(blockSize > 1 && { block_size: int(blockSize) }) },
  })
}
