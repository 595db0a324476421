/** How often the largest class is the same: counted per position of each sample, over the axis that holds the classes. */
import type { RunTensor } from '../runtime/runtime.ts'
import { type Interval, LEAST_SAMPLES, wilson } from './interval.ts'
import { numbers } from './numbers.ts'
import type { Scores } from './sample-scores.ts'

export interface Agreement {
  agreement: number | null
  agreement_ci95: Interval | null
  /** name of the output, and the axis with the classes */
  agreement_over: { output: string; axis: number } | null
}

export interface AgreementMeter {
  add(output: string, float: RunTensor, quantized: RunTensor, samples: number): void
  result(): Agreement
  /** null where the output has no classes */
  scores(): Scores | null
}

/** Counts the first output that it is given; `axisOf` knows the axis of its classes, or null. */
export function createAgreementMeter(axisOf: (output: string) => number | null): AgreementMeter {
  const agreed: number[] = []
  const positions: number[] = []
  let over: Agreement['agreement_over'] = null
  return {
    add: (output, float, quantized, samples) => {
      const axis = axisOf(output)
      for (const { value, weight } of agreementPerSample(float, quantized, samples, axis)) {
        agreed.push(value)
        positions.push(weight)
        over ??= { output, axis: axisInRank(axis, float.dims.length) ?? 0 }
      }
    },
    scores: () =>
      positions.length === 0
        ? null
        : { quality: 'agreement', float: [...positions], quantized: [...agreed], weights: [...positions] },
    result: () => {
      const all = sum(positions)
      if (all === 0) return { agreement: null, agreement_ci95: null, agreement_over: null }
      const agreement = sum(agreed) / all
      const ci =
        agreed.length < LEAST_SAMPLES ? null : wilson(agreement, effectiveSamples(agreement, agreed, positions))
      return { agreement, agreement_ci95: ci, agreement_over: over }
    },
  }
}

/** So many independent positions would vary as the samples do, whose positions depend on each other; samples that are all the same count once each. */
function effectiveSamples(share: number, agreed: readonly number[], positions: readonly number[]): number {
  const variance = sum(agreed.map((count, i) => (count - share * positions[i]!) ** 2)) / sum(positions) ** 2
  return variance > 0 ? (share * (1 - share)) / variance : agreed.length
}

/** Positions of each sample with the same largest class, and all of its positions; nothing where the output has no classes. `known` is their axis, or null. */
export function agreementPerSample(float: RunTensor, quantized: RunTensor, samples: number, known: number | null) {
  const axis = axisInRank(known, float.dims.length)
  if ((float.dims[axis ?? 0] ?? 1) < 2 || (axis === null && float.dims[0] === samples)) return []
  const [a, b] = [argmaxAlong(float, axis), argmaxAlong(quantized, axis)]
  const rows = samples > 0 && a.length % samples === 0 ? samples : 1
  const width = a.length / rows
  return Array.from({ length: rows }, (_, row) => ({ value: countEqual(a, b, row * width, width), weight: width }))
}

/** Without knowledge: [N, C] has classes on the last axis, [N, T, C] too, pixels of [N, C, H, W] on axis 1; a vector is one position. */
export function axisInRank(known: number | null, rank: number): number | null {
  if (known !== null && known > 0 && known < rank) return known
  return rank < 2 ? null : rank > 3 ? 1 : rank - 1
}

/** Index of the largest element along `axis` at each position, sample after sample; without an axis, of all elements. */
export function argmaxAlong(tensor: RunTensor, axis: number | null): Int32Array {
  const values = numbers(tensor)
  const { dims } = tensor
  const classes = axis === null ? values.length : dims[axis]!
  const inner = axis === null ? 1 : product(dims.slice(axis + 1))
  return Int32Array.from({ length: classes > 0 ? values.length / classes : 0 }, (_, at) =>
    largest(values, Math.floor(at / inner) * classes * inner + (at % inner), inner, classes),
  )
}

function largest(values: ArrayLike<number>, start: number, step: number, count: number): number {
  let best = 0
  for (let i = 1; i < count; i++) if (values[start + i * step]! > values[start + best * step]!) best = i
  return best
}

/** Index of the largest element of each sample; samples lie along the first axis, the whole tensor is one sample otherwise. */
export function argmaxPerSample(tensor: RunTensor, samples: number): number[] {
  const values = numbers(tensor)
  const rows = tensor.dims[0] === samples ? samples : 1
  const width = values.length / rows
  return width < 1 ? [] : Array.from({ length: rows }, (_, row) => largest(values, row * width, 1, width))
}

function countEqual(a: Int32Array, b: Int32Array, start: number, count: number): number {
  let equal = 0
  for (let i = start; i < start + count; i++) if (a[i] === b[i]) equal++
  return equal
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1)
