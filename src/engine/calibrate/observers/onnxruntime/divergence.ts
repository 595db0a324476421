/** The range around 0 with the smallest Kullback-Leibler divergence, as onnxruntime.quantization looks for it. */
import type { Range } from '../../range.ts'
import type { EdgeHistogram } from './histogram.ts'
import { pairwiseSum } from './sum.ts'

const f = Math.fround
const EPSILON = 1e-4

/** Source: HistogramCollector.get_entropy_threshold of onnxruntime.quantization 1.30. */
export function leastDivergence({ counts, edges }: EdgeHistogram, integers: number): Range {
  const zero = Math.floor(counts.length / 2)
  let best = { range: { min: 0, max: 0 }, divergence: Number.NaN }
  for (let reach = Math.floor(integers / 2); reach <= zero; reach++) {
    const [from, to] = [zero - reach, Math.min(zero + reach + 1, counts.length)]
    const divergence = divergenceOf(counts, from, to, integers)
    if (!(divergence >= best.divergence)) best = { range: { min: edges[from]!, max: edges[to]! }, divergence }
  }
  return best.range
}

function divergenceOf(counts: Float64Array, from: number, to: number, integers: number): number {
  const inside = counts.subarray(from, to)
  const reference = inside.slice()
  reference[0]! += sum(counts, 0, from)
  reference[reference.length - 1]! += sum(counts, to, counts.length)
  const [p, q] = [smoothed(reference), smoothed(merged(inside, reference, integers))]
  return p && q ? relativeEntropy(p, q) : Number.POSITIVE_INFINITY
}

/** Every group of bins that becomes one integer, spread over those of its bins that hold something; fractions are cut off. */
function merged(inside: Float64Array, reference: Float64Array, integers: number): Float64Array {
  const out = new Float64Array(inside.length)
  const size = Math.floor(inside.length / integers)
  for (let level = 0; level < integers; level++) {
    const [from, to] = [level * size, (level + 1) * size]
    const used = to - from - zerosIn(reference, from, to)
    if (used === 0) continue
    const total = sum(inside, from, level === integers - 1 ? inside.length : to)
    out.fill(Math.trunc(total / used), from, to)
  }
  return out
}

/** Zeros take a little from the rest; null when all are zeros. Source: quant_utils.smooth_distribution. */
function smoothed(counts: Float64Array): Float32Array | null {
  const zeros = zerosIn(counts, 0, counts.length)
  const others = counts.length - zeros
  if (others === 0) return null
  const taken = f((-EPSILON * zeros) / others)
  const out = new Float32Array(counts)
  for (let i = 0; i < out.length; i++) out[i] = out[i] === 0 ? EPSILON : out[i]! + taken
  return out
}

function relativeEntropy(p: Float32Array, q: Float32Array): number {
  const [totalP, totalQ] = [pairwiseSum(p), pairwiseSum(q)]
  for (let i = 0; i < p.length; i++) {
    const share = f(p[i]! / totalP)
    p[i] = share * f(Math.log(f(share / f(q[i]! / totalQ))))
  }
  return pairwiseSum(p)
}

function zerosIn(counts: Float64Array, from: number, to: number): number {
  let zeros = 0
  for (let i = from; i < to; i++) if (counts[i] === 0) zeros++
  return zeros
}

function sum(counts: Float64Array, from: number, to: number): number {
  let total = 0
  for (let i = from; i < to; i++) total += counts[i]!
  return total
}
