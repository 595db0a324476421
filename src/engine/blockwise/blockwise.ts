/** Block-wise weights: [K, N] split along K into blocks with a scale each, packed as MatMulNBits reads them. */
import { type Block, type BlockRounding, encodeBlock, fitBlock } from './block.ts'

export type BlockBits = 2 | 4 | 8

export interface BlockOptions {
  bits: BlockBits
  /** a power of two from 16 on */
  blockSize: number
  symmetric: boolean
  /** look for the scale with the smallest squared error instead of taking the one that the extremes give */
  search: boolean
  /** round before the zero point is added; see `BlockRounding` */
  roundsFirst?: boolean
}

export interface BlockMatrix {
  values: Float32Array
  /** rows along which blocks lie */
  K: number
  /** columns, each with scales of its own */
  N: number
  /** whether the values lie column by column: [N, K] */
  byColumn?: boolean
}

export interface BlockwiseWeight {
  /** uint8 [N, blocks, blockSize · bits ÷ 8], low bits first */
  packed: Uint8Array
  /** float32 [N, blocks] */
  scales: Float32Array
  /** uint8 [N, ⌈blocks · bits ÷ 8⌉], low bits first; null when symmetric */
  zeroPoints: Uint8Array | null
  blocks: number
}

/** columns that are read together, so that a row of the matrix is read in runs */
const TILE = 16

/** Without `search` byte for byte what MatMulNBitsQuantizer of ONNX Runtime 1.30 writes. Source: MlasQuantizeBlockwise. */
export function quantizeBlockwise(matrix: BlockMatrix, options: BlockOptions): BlockwiseWeight {
  const { K, N } = matrix
  const { bits, blockSize, symmetric, search, roundsFirst = false } = options
  const blocks = Math.ceil(K / blockSize)
  const bytesPerBlock = (blockSize * bits) / 8
  const packed = new Uint8Array(N * blocks * bytesPerBlock)
  const scales = new Float32Array(N * blocks)
  const zeroPoints = symmetric ? null : emptyZeroPoints(N, blocks, bits)
  const zeroPointBytes = Math.ceil((blocks * bits) / 8)
  const rounding: BlockRounding = { levels: 2 ** bits - 1, symmetric, search, roundsFirst }
  const integers = new Uint8Array(blockSize)
  const block: Block = { scale: 0, zeroPoint: 0 }
  eachBlock(matrix, blockSize, (values, n, b) => {
    fitBlock(values, rounding, block)
    scales[n * blocks + b] = block.scale
    if (zeroPoints) put(zeroPoints, n * zeroPointBytes, b, bits, block.zeroPoint)
    encodeBlock(values, block, rounding, integers)
    pack(integers.subarray(0, values.length), packed, (n * blocks + b) * bytesPerBlock, bits)
  })
  return { packed, scales, zeroPoints, blocks }
}

/** Calls `use` with the values of every block: a view that is good until the next one. */
function eachBlock(
  { values, K, N, byColumn = false }: BlockMatrix,
  blockSize: number,
  use: (values: Float32Array, n: number, b: number) => void,
): void {
  const tile = new Float32Array(TILE * blockSize)
  for (let start = 0, b = 0; start < K; start += blockSize, b++) {
    const count = Math.min(blockSize, K - start)
    for (let first = 0; first < N; first += TILE) {
      const columns = Math.min(TILE, N - first)
      if (!byColumn) readTile(values, tile, { start, count, first, columns, N, blockSize })
      for (let c = 0; c < columns; c++) {
        const from = byColumn ? (first + c) * K + start : c * blockSize
        use((byColumn ? values : tile).subarray(from, from + count), first + c, b)
      }
    }
  }
}

interface Tile {
  start: number
  count: number
  first: number
  columns: number
  N: number
  blockSize: number
}

function readTile(
  values: Float32Array,
  tile: Float32Array,
  { start, count, first, columns, N, blockSize }: Tile,
): void {
  for (let k = 0; k < count; k++) {
    const row = (start + k) * N + first
    for (let c = 0; c < columns; c++) tile[c * blockSize + k] = values[row + c]!
  }
}

/** The unused part of a column's last byte holds the middle. */
function emptyZeroPoints(N: number, blocks: number, bits: BlockBits): Uint8Array {
  const perByte = 8 / bits
  const perColumn = Math.ceil(blocks / perByte)
  const zeroPoints = new Uint8Array(N * perColumn)
  for (let n = 0; n < N; n++)
    for (let b = blocks; b < perColumn * perByte; b++) put(zeroPoints, n * perColumn, b, bits, 2 ** (bits - 1))
  return zeroPoints
}

function put(bytes: Uint8Array, start: number, index: number, bits: BlockBits, value: number): void {
  const at = index * bits
  bytes[start + (at >> 3)]! |= value << (at & 7)
}

function pack(integers: Uint8Array, bytes: Uint8Array, start: number, bits: BlockBits): void {
  if (bits === 8) bytes.set(integers, start)
  else for (let k = 0; k < integers.length; k++) put(bytes, start, k, bits, integers[k]!)
}
