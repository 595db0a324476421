/** Weights that use 4 bits are packed in pairs, which halves them once more. */

import { addInitializer } from '../ir/build.ts'
import { MICROSOFT } from '../ir/domain.ts'
import { type Model, Node, type Value } from '../ir/graph.ts'
import { elementCount, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

/** from this operator set on the standard DequantizeLinear knows 4-bit integers */
const PACKED_OPSET = 21

const LIMITS = { int4: [-8, 7], uint4: [0, 15] } as const
const BYTES = { int4: 'int8', uint4: 'uint8' } as const
type Packed = keyof typeof LIMITS

/** Packs every constant of bytes that only DequantizeLinear reads and that fits into `dtype`. */
export const packWeights = (dtype: Packed): Pass => ({
  name: 'pack-weights',
  run(model: Model) {
    for (const value of [...model.graph.initializers]) if (isPackable(value, dtype)) pack(model, value, dtype)
  },
})

function isPackable({ tensor, consumers }: Value, dtype: Packed): boolean {
  if (tensor?.dtype !== BYTES[dtype] || tensor.shape.length < 2) return false
  const readers = [...consumers.keys()]
  const isRead = readers.length > 0 && readers.every((node) => node.opType === 'DequantizeLinear')
  return (
    isRead && fits(tensor, dtype) && readers.every(({ inputs }) => !inputs[2]?.tensor || fits(inputs[2].tensor, dtype))
  )
}

function fits(tensor: Tensor, dtype: Packed): boolean {
  const [low, high] = LIMITS[dtype]
  return tensor.dtype === BYTES[dtype] && view(tensor, BYTES[dtype]).every((q) => q >= low && q <= high)
}

function pack(model: Model, value: Value, dtype: Packed): void {
  value.tensor = packed(value.tensor!, dtype)
  value.dtype = dtype
  for (const node of [...value.consumers.keys()]) {
    const zeroPoint = node.inputs[2]
    // A zero point in bytes may be shared with other weights.
    if (zeroPoint?.tensor)
      node.setInput(2, addInitializer(model, model.graph, zeroPoint.name, packed(zeroPoint.tensor, dtype)))
    if ((model.opsets.get('') ?? 0) < PACKED_OPSET) moveToContrib(model, node)
  }
}

/** The first of two integers lies in the low half of a byte. */
function packed(tensor: Tensor, dtype: Packed): Tensor {
  const bytes = view(tensor, BYTES[dtype])
  const out = new Uint8Array(Math.ceil(elementCount(tensor.shape) / 2))
  bytes.forEach((q, i) => {
    out[i >> 1]! |= (q & 15) << (i % 2 === 0 ? 0 : 4)
  })
  return tensorOf(dtype, tensor.shape, out)
}

function moveToContrib(model: Model, node: Node): void {
  if (node.domain === MICROSOFT) return
  const { name, opType, attributes } = node
  const [inputs, outputs] = [[...node.inputs], [...node.outputs]]
  model.graph.removeNode(node)
  model.opsets.set(MICROSOFT, 1)
  model.graph.addNode(new Node(name, opType, MICROSOFT, inputs, outputs, attributes))
}
