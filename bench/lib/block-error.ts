/** How close a weight in blocks is to the weight. */
import { type BlockMatrix, type BlockOptions, quantizeBlockwise } from '../../src/engine/blockwise/blockwise.ts'

/** Σ w² and Σ (w − ŵ)², read from the packed bytes as MatMulNBits reads them; 4 or 8 bits. */
export function errorOfBlocks(matrix: BlockMatrix, options: BlockOptions): { signal: number; noise: number } {
  const { values, K, N, byColumn = false } = matrix
  const { bits, blockSize } = options
  const { packed, scales, zeroPoints, blocks } = quantizeBlockwise(matrix, options)
  const integer = (bytes: Uint8Array, start: number, i: number) =>
    bits === 8 ? bytes[start + i]! : (bytes[start + (i >> 1)]! >> (4 * (i & 1))) & 15
  let [signal, noise] = [0, 0]
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const inRow = Math.floor(k / blockSize)
      const block = n * blocks + inRow
      const q = integer(packed, (block * blockSize * bits) / 8, k % blockSize)
      const zero = zeroPoints ? integer(zeroPoints, n * Math.ceil((blocks * bits) / 8), inRow) : 2 ** (bits - 1)
      const x = values[byColumn ? n * K + k : k * N + n]!
      signal += x * x
      noise += (x - (q - zero) * scales[block]!) ** 2
    }
  }
  return { signal, noise }
}
