/** A `.tflite` run as its ONNX model is: the same names, axes in ONNX's order, float outside whatever is inside. */
import { bitsOf } from '../ir/dtype.ts'
import { elementCount } from '../ir/tensor.ts'
import type { ElementArray, RunTensor, Session, ValueInfo } from '../runtime/runtime.ts'
import type { ElementType } from './codes.ts'
import type { Litert } from './litert.ts'
import type { Border } from './network.ts'
import { arrange, type Order, permute } from './order.ts'

export interface Borders {
  inputs: readonly Border[]
  outputs: readonly Border[]
}

/** Loads a file whose borders are known. Throws verification_failed. */
export async function openSession(litert: Litert, file: Uint8Array, { inputs, outputs }: Borders): Promise<Session> {
  const loaded = await litert.load(file)
  return {
    inputs: inputs.map(infoOf),
    outputs: outputs.map(infoOf),
    run: async (feeds) => {
      const bytes = new Map(inputs.map((border) => [border.name, fed(border, feeds[border.name])]))
      const results = await loaded.run(bytes)
      return Object.fromEntries(outputs.map((border) => [border.name, fetched(border, results.get(border.name))]))
    },
    runInto: () => Promise.reject(new Error('a .tflite does not write into given tensors')),
    release: async () => loaded.release(),
  }
}

/** As ONNX sees it: integers that stand for numbers are float outside. */
const infoOf = ({ name, tensor, shape }: Border): ValueInfo => ({
  name,
  dtype: tensor.quantization ? 'float32' : tensor.type,
  shape: [...shape],
})

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  int16: Int16Array,
  int8: Int8Array,
} as const

const asBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength)

function fed({ name, tensor, shape, order }: Border, feed: RunTensor | undefined): Uint8Array {
  if (!feed || !ArrayBuffer.isView(feed.data)) throw new Error(`input "${name}" is missing`)
  const { type, quantization } = tensor
  const data = quantization
    ? quantized(feed.data, type, quantization.scales[0] ?? 1, quantization.zeroPoints[0] ?? 0)
    : feed.data
  return permute(asBytes(data), bitsOf(type) / 8, shape, order)
}

function quantized(data: ElementArray, type: ElementType, scale: number, zero: number): ElementArray {
  const [low, high] = type === 'int16' ? [-32768, 32767] : [-128, 127]
  const integers = new ARRAYS[type === 'int16' ? 'int16' : 'int8'](data.length)
  data.forEach((value, i) => {
    integers[i] = Math.max(low, Math.min(high, roundToEven(Math.fround(Number(value) / scale)) + zero))
  })
  return integers
}

function roundToEven(x: number): number {
  const rounded = Math.round(x)
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

function fetched({ name, tensor, shape, order }: Border, bytes: Uint8Array | undefined): RunTensor {
  const { type, quantization } = tensor
  if (!bytes) throw new Error(`output "${name}" is missing`)
  const plain = permute(bytes, bitsOf(type) / 8, arrange(shape, order), inverse(order))
  const data = new ARRAYS[type](plain.buffer, 0, elementCount(shape))
  if (!quantization) return { dtype: type, dims: shape, data }
  const [scale = 1] = quantization.scales
  const [zero = 0] = quantization.zeroPoints
  return { dtype: 'float32', dims: shape, data: Float32Array.from(data as Int8Array, (q) => (q - zero) * scale) }
}

const inverse = (order: Order): number[] => order.map((_, axis) => order.indexOf(axis))
