/** How closely the quantized outputs follow the float outputs: SQNR, cosine, largest error, agreement of the argmax. */

import type { Metrics } from '../../contract/report.ts'
import { fromFloat16 } from '../ir/float16.ts'
import type { RunTensor } from '../runtime/runtime.ts'

type Fidelity = Omit<NonNullable<Metrics['fidelity']>, 'measured_on'>

/** Reported instead of infinity when two outputs are identical. */
const IDENTICAL_DB = 200

/** Sums over elements: of squares of the float model's, of the differences, of the quantized ones, and of products of both. */
export interface Sums {
  signal: number
  noise: number
  product: number
  quantized: number
}

interface OutputSums extends Sums {
  /** elements that are finite in the float model; the others cannot be compared */
  count: number
  largest: number
}

export interface FidelityMeter {
  add(float: Record<string, RunTensor>, quantized: Record<string, RunTensor>, samples: number): void
  result(): Fidelity | null
}

/** Accumulates over samples with flat memory. Only floating-point outputs count. */
export function createFidelityMeter(outputNames: readonly string[]): FidelityMeter {
  const sums = new Map<string, OutputSums>()
  let seen = 0
  let agreed = 0
  let compared = 0
  return {
    add: (float, quantized, samples) => {
      seen += samples
      const names = outputNames.filter((name) => isFloat(float[name]) && isFloat(quantized[name]))
      for (const name of names)
        sums.set(name, accumulate(sums.get(name), numbers(float[name]), numbers(quantized[name])))
      const first = names[0]
      if (first === undefined) return
      const [a, b] = [argmaxPerPosition(float[first], samples), argmaxPerPosition(quantized[first], samples)]
      compared += a.length
      agreed += a.filter((index, i) => index === b[i]).length
    },
    result: () =>
      [...sums.values()].every(({ count }) => count === 0)
        ? null
        : summarize(sums, seen, compared > 0 ? agreed / compared : null),
  }
}

const isFloat = (tensor: RunTensor | undefined): tensor is RunTensor =>
  tensor !== undefined && ['float32', 'float16', 'float64'].includes(tensor.dtype)

/** The elements of a result as numbers; NaN for strings that are none. */
export function numbers(tensor: RunTensor): Float32Array | Float64Array {
  if (tensor.data instanceof Uint16Array) return fromFloat16(tensor.data)
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) return tensor.data
  return Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number)
}

function accumulate(
  sums: OutputSums = { count: 0, signal: 0, noise: 0, product: 0, quantized: 0, largest: 0 },
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): OutputSums {
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i])) continue
    const error = a[i] - b[i]
    sums.count++
    sums.signal += a[i] * a[i]
    sums.noise += error * error
    sums.product += a[i] * b[i]
    sums.quantized += b[i] * b[i]
    if (Math.abs(error) > sums.largest || Number.isNaN(error)) sums.largest = Math.abs(error)
  }
  return sums
}

function summarize(sums: Map<string, OutputSums>, samples: number, agreement: number | null): Fidelity {
  const compared = [...sums].filter(([, { count }]) => count > 0)
  const outputs = compared.map(([name, s]) => ({
    name,
    sqnr_db: decibels(s),
    cosine: cosine(s),
    max_abs_error: s.largest,
  }))
  return {
    sqnr_db: Math.min(...outputs.map((output) => output.sqnr_db)),
    cosine: Math.min(...outputs.map((output) => output.cosine)),
    agreement,
    samples,
    outputs,
  }
}

export function decibels({ signal, noise }: Sums): number {
  if (noise === 0) return IDENTICAL_DB
  return Math.max(-IDENTICAL_DB, Math.min(IDENTICAL_DB, 10 * Math.log10(signal / noise)))
}

export function cosine({ signal, quantized, product }: Sums): number {
  if (signal === 0 || quantized === 0) return signal === quantized ? 1 : 0
  return Math.max(-1, Math.min(1, product / Math.sqrt(signal * quantized)))
}

/**
 * Index of the largest class at each position of each sample: pixels of [N, C, H, W] have their classes on axis 1, tokens, steps and boxes of
 * [N, T, C] on the last; [N, C] has one position.
 */
function argmaxPerPosition(tensor: RunTensor, samples: number): number[] {
  const { dims } = tensor
  if (dims.length < 3) return argmaxPerSample(tensor, samples)
  const axis = dims.length > 3 ? 1 : dims.length - 1
  const classes = dims[axis]!
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1)
  const values = numbers(tensor)
  const positions = classes > 0 ? values.length / classes : 0
  return Array.from({ length: positions }, (_, at) => {
    const start = Math.floor(at / inner) * classes * inner + (at % inner)
    let best = 0
    for (let i = 1; i < classes; i++) if (values[start + i * inner]! > values[start + best * inner]!) best = i
    return best
  })
}

/** Index of the largest element of each sample; samples lie along the first axis, the whole tensor is one sample otherwise. */
export function argmaxPerSample(tensor: RunTensor, samples: number): number[] {
  const values = numbers(tensor)
  const rows = tensor.dims[0] === samples ? samples : 1
  const width = values.length / rows
  return width < 1 ? [] : Array.from({ length: rows }, (_, row) => argmax(values, row * width, width))
}

function argmax(values: ArrayLike<number>, start: number, length: number): number {
  let best = 0
  for (let i = 1; i < length; i++) if (values[start + i] > values[start + best]) best = i
  return best
}
