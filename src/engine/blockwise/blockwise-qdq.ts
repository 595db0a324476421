/** Block-wise weights as standard ONNX has them: integers in the shape of the matrix, and a DequantizeLinear with a block size. */
import type { DType } from '../ir/dtype.ts'
import { elementCount, float32, type Tensor, tensorOf } from '../ir/tensor.ts'
import { packIntegers, unsignedAt } from '../quant/packed.ts'
import type { BlockBits, BlockwiseWeight } from './blockwise.ts'

export interface DequantizableWeight {
  /** [K, N], or [N, K] where blocks lie along the last axis, or a stack of such matrices; two 4-bit integers in a byte, the first in the low half */
  integers: Tensor
  /** float32 [blocks, N], or [N, blocks] */
  scales: Tensor
  /** like the scales; null when symmetric: signed integers, the zero point in the middle */
  zeroPoints: Tensor | null
}

const TYPES: Readonly<Partial<Record<BlockBits, readonly [signed: DType, unsigned: DType]>>> = {
  4: ['int4', 'uint4'],
  8: ['int8', 'uint8'],
}

/** Lays out what `quantizeBlockwise` made for MatMulNBits. `byRow`: every row of the result has its own scales. Throws for 2 bits, which opset 21 does not have. */
export function dequantizable(
  { packed, scales, zeroPoints, blocks }: BlockwiseWeight,
  {
    K,
    N,
    bits,
    blockSize,
    byRow = false,
    stack = [],
  }: {
    K: number
    N: number
    bits: BlockBits
    blockSize: number
    byRow?: boolean
    /** axes in front of those of the matrices, whose columns follow one another */
    stack?: readonly number[]
  },
): DequantizableWeight {
  const types = TYPES[bits]
  if (!types) throw new Error(`DequantizeLinear has no integers of ${bits} bits`)
  const [signed, unsigned] = types
  const middle = zeroPoints ? 0 : 2 ** (bits - 1)
  const bytesPerBlock = (blockSize * bits) / 8
  const integerAt = (n: number, k: number) =>
    unsignedAt(packed, (n * blocks + Math.floor(k / blockSize)) * bytesPerBlock, k % blockSize, bits) - middle
  const columns = N * elementCount(stack)
  const zeroPointAt = (n: number, b: number) => unsignedAt(zeroPoints!, (n * zeroPoints!.length) / columns, b, bits)
  const dtype = zeroPoints ? unsigned : signed
  const made = (of: DType, rows: number, at: (n: number, row: number) => number): Tensor => {
    const value = (i: number) => (byRow ? at(Math.floor(i / rows), i % rows) : at(columnOf(i, rows), rowOf(i, rows)))
    return tensorOf(of, shapeOf(rows), packIntegers(rows * columns, bits, value))
  }
  const shapeOf = (rows: number) => [...stack, ...(byRow ? [N, rows] : [rows, N])]
  const columnOf = (i: number, rows: number) => Math.floor(i / (rows * N)) * N + (i % N)
  const rowOf = (i: number, rows: number) => Math.floor(i / N) % rows
  const scaleAt = (i: number) => (byRow ? scales[i]! : scales[columnOf(i, blocks) * blocks + rowOf(i, blocks)]!)
  return {
    integers: made(dtype, K, integerAt),
    scales: float32(
      shapeOf(blocks),
      Float32Array.from({ length: scales.length }, (_, i) => scaleAt(i)),
    ),
    zeroPoints: zeroPoints && made(unsigned, blocks, zeroPointAt),
  }
}
