/** The same model with uint8 weights where they are int8: what a processor computes exactly that saturates sums of products of uint8 and int8. */

import { addInitializer } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { ByOperator } from '../ir/operators.ts'
import { bytesOf, elementCount, type Tensor, tensorOf } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

/** positions of a weight, its scale (null: none) and its zero point among a node's inputs */
type Place = readonly [weight: number, scale: number | null, zeroPoint: number]

const PLACES: ByOperator<readonly Place[]> = {
  DequantizeLinear: [[0, 1, 2]],
  QLinearConv: [[3, 4, 5]],
  QLinearMatMul: [[3, 4, 5]],
  QGemm: [[3, 4, 5]],
  MatMulInteger: [[1, null, 3]],
  MatMulIntegerToFloat: [[1, 3, 5]],
  DynamicQuantizeMatMul: [[1, 2, 3]],
  QAttention: [[1, 4, 7]],
  DynamicQuantizeLSTM: [
    [1, 8, 9],
    [2, 10, 11],
  ],
}

const SIGN = 0x80

/** A weight with a use that is not known here stays as it is. */
export const unsignedWeights: Pass = {
  name: 'unsigned-weights',
  run(model: Model) {
    for (const graph of allGraphs(model.graph))
      for (const value of [...graph.initializers]) convert(model, graph, value)
  },
}

function convert(model: Model, graph: Graph, value: Value): void {
  const { tensor } = value
  if (tensor?.dtype !== 'int8' || graph.outputs.includes(value)) return
  const uses = usesOf(value)
  if (!uses || uses.length === 0) return
  const zeros = uses.map(({ node, place }) => zeroPointOf(node, place))
  if (zeros.some((zero) => zero === null)) return
  for (const [i, { node, place }] of uses.entries()) {
    const zero = zeros[i]
    if (zero) node.setInput(place[2], addInitializer(model, graph, `${value.name}_unsigned_zero_point`, zero))
  }
  value.tensor = flipped(tensor)
  value.dtype = 'uint8'
}

/** null where one is not known */
function usesOf(value: Value): { node: Node; place: Place }[] | null {
  const uses: { node: Node; place: Place }[] = []
  for (const [node, count] of value.consumers) {
    const places = (PLACES[node.opType] ?? []).filter(([weight]) => node.inputs[weight] === value)
    if (places.length !== count) return null
    uses.push(...places.map((place) => ({ node, place })))
  }
  return uses
}

/** As uint8; null where it is computed, or where the scale's shape is not known. */
function zeroPointOf(node: Node, [, scale, zeroPoint]: Place): Tensor | null {
  const given = node.inputs[zeroPoint]
  if (given) return given.tensor?.dtype === 'int8' ? flipped(given.tensor) : null
  const shape = scale === null ? [] : node.inputs[scale]?.tensor?.shape
  return shape ? tensorOf('uint8', shape, new Uint8Array(elementCount(shape)).fill(SIGN)) : null
}

const flipped = (tensor: Tensor): Tensor =>
  tensorOf(
    'uint8',
    tensor.shape,
    bytesOf(tensor).map((byte) => byte ^ SIGN),
  )
