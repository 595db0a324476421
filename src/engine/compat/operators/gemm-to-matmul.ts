/** Writes Gemm as MatMul and Add, which dynamic quantization knows, inside of branches and loops too. */

import { addInitializer, addNode } from '../../ir/build.ts'
import { allGraphs, freshName, type Graph, type Model, type Node, sortedNodes, Value } from '../../ir/graph.ts'
import { leading } from '../../ir/list.ts'
import { float32, type Tensor, view } from '../../ir/tensor.ts'
import { isFloatConstant } from '../constants.ts'

export function gemmToMatMul(model: Model): void {
  for (const graph of [...allGraphs(model.graph)])
    for (const node of sortedNodes(graph)) if (isPlain(node)) rewrite(model, graph, node)
}

const isPlain = (node: Node): boolean =>
  node.opType === 'Gemm' &&
  node.domain === '' &&
  node.float('alpha', 1) === 1 &&
  node.float('beta', 1) === 1 &&
  node.int('transA', 0) === 0

function rewrite(model: Model, graph: Graph, node: Node): void {
  const { name } = node
  const [a, b, c] = node.inputs
  const [output] = node.outputs
  if (!a || !b || !output) return
  const isTransposed = node.int('transB', 0) === 1
  graph.removeNode(node)
  const matrix = isTransposed ? transposed(model, graph, b, name) : b
  const product = c ? new Value(freshName(model, `${output.name}_MatMul`), output.dtype) : output
  addNode(model, graph, 'MatMul', [a, matrix], { name: `${name}_MatMul`, outputs: [product] })
  if (c) addNode(model, graph, 'Add', [product, c], { name: `${name}_Add`, outputs: [output] })
}

/** A constant that nobody else reads is changed in place. */
function transposed(model: Model, graph: Graph, value: Value, name: string): Value {
  const output = `${value.name}_Transposed`
  if (!isFloatConstant(value)) return addNode(model, graph, 'Transpose', [value], { name: `${name}_Transpose`, output })
  const tensor = transpose(value.tensor)
  if (value.consumers.size > 0 || graph.outputs.includes(value)) return addInitializer(model, graph, output, tensor)
  value.tensor = tensor
  value.shape = tensor.shape
  return value
}

function transpose(tensor: Tensor): Tensor {
  const [rows, columns] = leading(2, tensor.shape)
  const values = view(tensor, 'float32')
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column]!
  return float32([columns, rows], out)
}
