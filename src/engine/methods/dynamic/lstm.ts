/** LSTM with int8 weights: ONNX Runtime's DynamicQuantizeLSTM. */

import { addInitializer } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import { type Graph, Node, type Value } from '../../ir/graph.ts'
import { float32, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import { quantizePerChannel } from '../../quant/math.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'

const INPUTS = 8

export const lstm: Rewrite = {
  weightIndex: 1,
  weights: [1, 2],
  smallestRank: 3,
  reason: 'int8 weights, activations quantized at run time',
  refuses: ({ inputs, attributes }) => {
    const layout = attributes.get('layout')
    if (layout?.kind === 'int' && layout.value !== 0) return 'its kernel knows no batch-major layout'
    return floatConstant(inputs[2]) ? null : 'its recurrent weight is not a float32 constant'
  },
  apply: rewriteLstm,
}

/** Weights [directions, 4 · hidden, columns] become int8 [directions, columns, 4 · hidden]. */
function rewriteLstm(context: DynamicContext, graph: Graph, node: Node): void {
  const [, w, r] = node.inputs
  if (!w || !r) return
  const input = quantizedMatrices(context, graph, w)
  const recurrent = quantizedMatrices(context, graph, r)
  const inputs = Array.from({ length: INPUTS }, (_, i) => node.inputs[i] ?? null)
  inputs.splice(1, 2, input.integers, recurrent.integers)
  const parameters = [input.scale, input.zeroPoint, recurrent.scale, recurrent.zeroPoint]
  const { name, attributes, outputs } = node
  const own = [...outputs]
  graph.removeNode(node)
  attributes.delete('layout')
  context.model.opsets.set(MICROSOFT, 1)
  graph.addNode(new Node(name, 'DynamicQuantizeLSTM', MICROSOFT, [...inputs, ...parameters], own, attributes))
}

/** One scale per direction, or per direction and row. */
function quantizedMatrices({ model, perChannel }: DynamicContext, graph: Graph, { name, tensor }: Value) {
  if (!tensor) throw new Error(`"${name}" is not a constant`)
  const [directions, rows, columns] = tensor.shape as [number, number, number]
  const flat = perChannel ? [directions * rows, columns] : [directions, rows * columns]
  const { quantized, scales } = quantizePerChannel(view(tensor, 'float32'), flat, 0, 'int8', { symmetric: true })
  const shape = perChannel ? [directions, rows] : [directions]
  const add = (suffix: string, made: Tensor) => addInitializer(model, graph, `${name}_${suffix}`, made)
  return {
    integers: add('quantized', transposed(quantized as Int8Array, directions, rows, columns)),
    scale: add('scale', float32(shape, scales)),
    zeroPoint: add('zero_point', tensorOf('int8', shape, new Int8Array(scales.length))),
  }
}

function transposed(values: Int8Array, count: number, rows: number, columns: number): Tensor {
  const out = new Int8Array(values.length)
  const size = rows * columns
  for (let m = 0; m < count; m++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) out[m * size + c * rows + r] = values[m * size + r * columns + c]!
  return tensorOf('int8', [count, columns, rows], out)
}
