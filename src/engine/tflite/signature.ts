/** `signature.json`: what goes in and comes out of a `.tflite`, beside the names and shapes of the ONNX model. */
import type { Border, Network } from './network.ts'

interface SignatureEntry {
  /** in ONNX and in the file's signature */
  name: string
  /** position among the inputs or outputs of the file */
  index: number
  dtype: string
  shape: readonly number[]
  /** number = (integer − zero point) · scale; null where numbers are as they are */
  quantization: { scale: number; zero_point: number } | null
  /** the shape in ONNX, and for each axis of the file the axis there */
  onnx: { shape: readonly number[]; axes: readonly number[] }
}

export interface Signature {
  signature: 'serving_default'
  inputs: SignatureEntry[]
  outputs: SignatureEntry[]
}

export const signatureOf = ({ inputs, outputs }: Pick<Network, 'inputs' | 'outputs'>): Signature => ({
  signature: 'serving_default',
  inputs: inputs.map(entryOf),
  outputs: outputs.map(entryOf),
})

const entryOf = ({ name, tensor, shape, order }: Border, index: number): SignatureEntry => ({
  name,
  index,
  dtype: tensor.type,
  shape: tensor.shape,
  quantization: tensor.quantization && {
    scale: tensor.quantization.scales[0] ?? 1,
    zero_point: tensor.quantization.zeroPoints[0] ?? 0,
  },
  onnx: { shape, axes: order },
})
