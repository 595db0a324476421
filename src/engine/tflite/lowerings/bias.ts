/** Biases: int32 with the product of both scales in integers, float elsewhere; zeros where ONNX has none, because some kernels need them. */
import { view } from '../../ir/tensor.ts'
import { floats, integers, refuse } from '../emitter.ts'
import type { TensorNode } from '../network.ts'
import type { Site } from '../site.ts'

export function biasOf(site: Site, index: number, input: TensorNode, weight: TensorNode, channels: number): TensorNode {
  const { node, emitter, isInteger } = site
  const stored = site.has(index) ? site.input(index) : null
  if (stored && !stored.tensor.data) refuse(node, 'its bias is not a constant')
  if (!isInteger)
    return stored
      ? spread(site, stored.tensor, channels)
      : floats(emitter, 'zeros', new Float32Array(channels), [channels])
  if (stored?.tensor.type === 'int32') return spread(site, stored.tensor, channels)
  const scale = input.quantization?.scales[0] ?? 1
  const scales = weight.quantization?.scales.map((own) => Math.fround(own * scale)) ?? [scale]
  const quantization = { scales, zeroPoints: scales.map(() => 0), axis: 0 }
  const values = new Int32Array(channels)
  const bias = node.inputs[index]?.tensor
  if (bias)
    view(bias, 'float32').forEach((b, i) => {
      values[i] = Math.round(b / (scales[i % scales.length] ?? 1))
    })
  return integers(emitter, `${node.name}_bias`, values, [channels], quantization)
}

/** One bias per channel, as kernels read it. */
function spread({ node, emitter }: Site, tensor: TensorNode, channels: number): TensorNode {
  const count = tensor.shape.reduce((a, b) => a * b, 1)
  if (count !== channels) refuse(node, `its bias has ${count} numbers for ${channels} channels`)
  return tensor.shape.length === 1
    ? tensor
    : { ...tensor, name: `${tensor.name}_flat_${emitter.names.size}`, shape: [channels] }
}
