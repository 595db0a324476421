/** Block-wise weights: [K, N] split along K into blocks with a scale each, packed as MatMulNBits reads them. */
export type BlockBits = 4 | 8

export interface BlockOptions {
  bits: BlockBits
  /** a power of two from 16 on */
  blockSize: number
  symmetric: boolean
  /** look for the scale with the smallest squared error instead of taking the one that the extremes give */
  search: boolean
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

interface Block {
  scale: number
  zeroPoint: number
}

const f32 = Math.fround

/** Round half away from zero, as C's roundf. */
const roundf = (x: number): number => Math.sign(x) * Math.floor(f32(Math.abs(x)) + 0.5)

/** Without `search` byte for byte what MatMulNBitsQuantizer of ONNX Runtime 1.30 writes. Source: MlasQuantizeBlockwise. */
export function quantizeBlockwise(weight: Float32Array, K: number, N: number, options: BlockOptions): BlockwiseWeight {
  const { bits, blockSize, symmetric } = options
  const blocks = Math.ceil(K / blockSize)
  const bytesPerBlock = (blockSize * bits) / 8
  const packed = new Uint8Array(N * blocks * bytesPerBlock)
  const scales = new Float32Array(N * blocks)
  const zeroPointBytes = Math.ceil((blocks * bits) / 8)
  const zeroPoints = symmetric ? null : new Uint8Array(N * zeroPointBytes)
  const values = new Float32Array(blockSize)
  for (let n = 0; n < N; n++) {
    // the unused half of the last byte holds the middle
    if (zeroPoints && bits === 4 && blocks % 2 === 1) put(zeroPoints, n * zeroPointBytes, blocks, bits, 8)
    for (let b = 0; b < blocks; b++) {
      const count = Math.min(blockSize, K - b * blockSize)
      for (let k = 0; k < count; k++) values[k] = weight[(b * blockSize + k) * N + n]!
      const block = parametersOf(values.subarray(0, count), options)
      scales[n * blocks + b] = block.scale
      if (zeroPoints) put(zeroPoints, n * zeroPointBytes, b, bits, block.zeroPoint)
      for (let k = 0; k < count; k++)
        put(packed, (n * blocks + b) * bytesPerBlock, k, bits, integerOf(values[k]!, block, bits))
    }
  }
  return { packed, scales, zeroPoints, blocks }
}

function put(bytes: Uint8Array, start: number, index: number, bits: BlockBits, value: number): void {
  if (bits === 8) bytes[start + index] = value
  else bytes[start + (index >> 1)]! |= value << (4 * (index & 1))
}

function integerOf(x: number, { scale, zeroPoint }: Block, bits: BlockBits): number {
  const reciprocal = scale === 0 ? 0 : f32(1 / scale)
  return Math.max(0, Math.min(2 ** bits - 1, roundf(f32(f32(x * reciprocal) + zeroPoint))))
}

function parametersOf(values: Float32Array, options: BlockOptions): Block {
  const plain = options.symmetric ? symmetricBlock(values, options.bits) : asymmetricBlock(values, options.bits)
  return options.search ? searched(values, plain, options) : plain
}

/** The element of largest magnitude becomes the lowest integer. */
function symmetricBlock(values: Float32Array, bits: BlockBits): Block {
  const [low, high] = extremesOf(values)
  const largest = Math.abs(high) > Math.abs(low) ? high : low
  return { scale: f32(largest / -(2 ** (bits - 1))), zeroPoint: 2 ** (bits - 1) }
}

function asymmetricBlock(values: Float32Array, bits: BlockBits): Block {
  const [first, last] = extremesOf(values)
  const [low, high] = [Math.min(first, 0), Math.max(last, 0)]
  const levels = 2 ** bits - 1
  const scale = f32(f32(high - low) / levels)
  const zeroPoint = scale === 0 ? low : f32(0 - f32(low / scale))
  return { scale, zeroPoint: Math.max(0, Math.min(levels, roundf(zeroPoint))) }
}

function extremesOf(values: Float32Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const x of values) {
    low = Math.min(low, x)
    high = Math.max(high, x)
  }
  return [low, high]
}

const FACTORS = Array.from({ length: 24 }, (_, i) => 1.06 - i * 0.02)

/** Tries smaller and larger scales, both signs when symmetric and the neighbours of the zero point otherwise. */
function searched(values: Float32Array, plain: Block, { bits, symmetric }: BlockOptions): Block {
  const levels = 2 ** bits - 1
  const shifts = symmetric ? [0] : [-1, 0, 1]
  const signs = symmetric ? [1, -1] : [1]
  let best = plain
  let least = errorOf(values, plain, bits)
  for (const factor of FACTORS) {
    for (const sign of signs) {
      for (const shift of shifts) {
        const zeroPoint = plain.zeroPoint + shift
        if (zeroPoint < 0 || zeroPoint > levels) continue
        const block = { scale: f32(plain.scale * factor * sign), zeroPoint }
        const error = errorOf(values, block, bits)
        if (error < least) [best, least] = [block, error]
      }
    }
  }
  return best
}

function errorOf(values: Float32Array, block: Block, bits: BlockBits): number {
  let sum = 0
  for (const x of values) sum += ((integerOf(x, block, bits) - block.zeroPoint) * block.scale - x) ** 2
  return sum
}
