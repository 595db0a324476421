/** Whether numbers survive the type that a model takes: none may wrap around or become infinite on the way. */
import { FewbitError } from '../../shared/errors.ts'
import type { DType } from '../ir/dtype.ts'

/** value · scale + offset */
export interface Affine {
  scale: number
  offset: number
}

type Bounds = readonly [above: number, below: number]

const signed = (bits: number): Bounds => [-(2 ** (bits - 1)) - 1, 2 ** (bits - 1)]
const unsigned = (bits: number): Bounds => [-1, 2 ** bits]

/** Numbers strictly between them fit: integers are cut off towards zero, floats rounded to nearest. */
const BOUNDS: Partial<Record<DType, Bounds>> = {
  int8: signed(8),
  int16: signed(16),
  int32: signed(32),
  int64: [-(2 ** 63) - 2048, 2 ** 63],
  uint8: unsigned(8),
  uint16: unsigned(16),
  uint32: unsigned(32),
  uint64: unsigned(64),
  float16: [-65520, 65520],
  float32: [-(2 ** 128 - 2 ** 103), 2 ** 128 - 2 ** 103],
  float64: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
}

/** Throws dataset_mismatch that names the first number outside. */
export function requireFit(numbers: ArrayLike<number>, { scale, offset }: Affine, to: DType): void {
  const bounds = BOUNDS[to]
  if (!bounds) return
  const [above, below] = bounds
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]! * scale + offset
    if (!(value > above && value < below)) throw doesNotFit(value, to)
  }
}

const doesNotFit = (value: number, to: DType): FewbitError =>
  new FewbitError('dataset_mismatch', `the data set gives the number ${value} to an input of type ${to}`, {
    hint: 'store the array in the type of the input, or check scale and offset in the spec',
  })
