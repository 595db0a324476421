/** One scale per block of a matrix, as operator set 21 has them. */
import { integerRange, type QType, roundHalfEven } from '../quant/math.ts'

export interface Matrix {
  shape: readonly [rows: number, columns: number]
  /** along which the blocks lie */
  axis: number
  blockSize: number
}

export interface BlockParameters {
  /** like the matrix, with blocks instead of elements along `axis` */
  shape: readonly [number, number]
  scales: Float32Array
  zeroPoints: Int32Array
}

const FLOAT32_TINY = 2 ** -126
const f32 = Math.fround

/** How many blocks lie along the axis; the last may be shorter. */
const blockShape = ({ shape: [rows, columns], axis, blockSize }: Matrix): readonly [number, number] =>
  axis === 0 ? [Math.ceil(rows / blockSize), columns] : [rows, Math.ceil(columns / blockSize)]

/** Where the parameters of an element of the row-major matrix lie. */
export function blockIndex(
  { shape: [, columns], axis, blockSize }: Matrix,
  blocks: number,
): (element: number) => number {
  return (element) => {
    const [row, column] = [Math.floor(element / columns), element % columns]
    return axis === 0 ? Math.floor(row / blockSize) * columns + column : row * blocks + Math.floor(column / blockSize)
  }
}

/** Source: compute_scale_zp_blocked of onnxruntime.quantization 1.30: the zero point is rounded from the float32 scale. */
export function blockParameters(
  values: Float32Array,
  matrix: Matrix,
  qtype: QType,
  symmetric: boolean,
): BlockParameters {
  const shape = blockShape(matrix)
  const count = shape[0] * shape[1]
  const [low, high] = [new Float32Array(count), new Float32Array(count)]
  const indexOf = blockIndex(matrix, shape[1])
  for (let i = 0; i < values.length; i++) {
    const block = indexOf(i)
    low[block] = Math.min(low[block]!, values[i]!)
    high[block] = Math.max(high[block]!, values[i]!)
  }
  const scales = new Float32Array(count)
  const zeroPoints = new Int32Array(count)
  for (let block = 0; block < count; block++)
    [scales[block], zeroPoints[block]] = parametersOf(low[block]!, high[block]!, qtype, symmetric)
  return { shape, scales, zeroPoints }
}

function parametersOf(low: number, high: number, qtype: QType, symmetric: boolean): [scale: number, zeroPoint: number] {
  const [qmin, qmax] = integerRange(qtype, { symmetric })
  const middle = roundHalfEven((qmin + qmax) / 2)
  const largest = Math.max(-low, high)
  const [from, to] = symmetric ? [-largest, largest] : [low, high]
  const scale = f32(f32(to - from) / (qmax - qmin))
  if (scale < FLOAT32_TINY) return [1, symmetric ? middle : 0]
  return [scale, symmetric ? middle : Math.min(Math.max(roundHalfEven(qmin - from / scale), qmin), qmax)]
}
