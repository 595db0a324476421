/** LSTM, GRU and RNN read their weights through a DequantizeLinear: ONNX Runtime has no kernel that expands them step by step. */
import { addInitializer, addNode, int } from '../../ir/build.ts'
import type { Value } from '../../ir/graph.ts'
import { elementCount, float32, int64, type Tensor, tensorOf, view } from '../../ir/tensor.ts'
import { quantizePerChannel } from '../../quant/math.ts'
import { type Context, type Rewrite, type Site, SMALLEST } from './weight.ts'

/** where the weights for the inputs and those for the state are */
const WEIGHTS = [1, 2]

export const recurrent: Rewrite = {
  weights: WEIGHTS,
  refuses: ({ inputs }) => {
    const tensors = WEIGHTS.map((index) => inputs[index]?.tensor)
    if (tensors.some((tensor) => tensor?.dtype !== 'float32' || tensor.shape.length !== 3))
      return 'its weights are not constant float32 matrices'
    const elements = tensors.reduce((sum, tensor) => sum + elementCount(tensor!.shape), 0)
    return elements < SMALLEST ? 'its weights are small' : null
  },
  describes: () => '8-bit weights with a scale per row, expanded once per run',
  apply: (context, site) => {
    for (const index of WEIGHTS) site.node.setInput(index, restored(context, site, site.node.inputs[index]!))
  },
}

/** Weights [directions, rows, columns] from int8 with a scale per direction and row. */
function restored({ model }: Context, { graph }: Site, { name, tensor }: Value): Value {
  const { shape } = tensor as Tensor
  const [directions, rows, columns] = shape as [number, number, number]
  const flat = [directions * rows, columns]
  const { quantized, scales } = quantizePerChannel(view(tensor as Tensor, 'float32'), flat, 0, 'int8', {
    symmetric: true,
  })
  const add = (suffix: string, made: Tensor) => addInitializer(model, graph, `${name}_${suffix}`, made)
  const matrix = addNode(
    model,
    graph,
    'DequantizeLinear',
    [add('Q8', tensorOf('int8', flat, quantized)), add('scales', float32([flat[0]!], scales))],
    { name: `${name}_DequantizeLinear`, attributes: { axis: int(0) } },
  )
  return addNode(model, graph, 'Reshape', [matrix, add('shape', int64([shape.length], shape))], {
    name: `${name}_Reshape`,
  })
}
