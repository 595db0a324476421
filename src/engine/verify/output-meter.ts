/** One output of a float and a quantized model, compared over samples. */
import type { RunTensor } from '../runtime/runtime.ts'
import { numbers } from './numbers.ts'
import { addTally, noTally, type Tally } from './sums.ts'

export interface OutputMeter {
  add(float: RunTensor, quantized: RunTensor, samples: number): void
  /** of all samples */
  total: Readonly<Tally>
  /** of each sample; past 1024 samples, of so many groups into which they are dealt in turn */
  units: readonly Tally[]
  /** largest difference */
  largest(): number
  /** whether the float model gives whole numbers, truth values, or floats of which some are 0, some 1, and none anything else */
  isDiscrete(): boolean
}

/** samples with sums of their own */
const UNITS = 1024

export function createOutputMeter(): OutputMeter {
  const total = noTally()
  const units: Tally[] = []
  let seen = 0
  let largest = 0
  let [isFloat, zeros, ones] = [false, 0, 0]
  const add = (unit: Tally, a: number, b: number) => {
    if (!Number.isFinite(a)) return
    const error = a - b
    unit.count++
    unit.signal += a * a
    unit.noise += error * error
    unit.product += a * b
    unit.quantized += b * b
    if (Math.round(b) !== a) unit.unequal++
    if (a === 0) zeros++
    else if (a === 1) ones++
    if (Math.abs(error) > largest || Number.isNaN(error)) largest = Math.abs(error)
  }
  return {
    add: (float, quantized, samples) => {
      const [a, b] = [numbers(float), numbers(quantized)]
      isFloat = float.dtype.startsWith('float')
      const rows = samples > 0 && (float.dims[0] ?? 0) % samples === 0 && a.length === b.length ? samples : 1
      // Elements that only one of the two has stand against 0.
      const width = Math.max(a.length, b.length) / rows
      for (let row = 0; row < rows; row++, seen++) {
        const sample = noTally()
        for (let i = row * width; i < (row + 1) * width; i++) add(sample, a[i] ?? 0, b[i] ?? 0)
        addTally(total, sample)
        const unit = units[seen % UNITS]
        if (unit) addTally(unit, sample)
        else units.push(sample)
      }
    },
    total,
    units,
    largest: () => largest,
    isDiscrete: () => !isFloat || (zeros > 0 && ones > 0 && zeros + ones === total.count),
  }
}
