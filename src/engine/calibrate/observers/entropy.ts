/**
 * The range whose quantized distribution loses least information: Kullback-Leibler divergence between the clipped histogram and the same
 * histogram merged into as many bins as there are integers. Source: Migacz, "8-bit inference with TensorRT" (2017), with both tails
 * searched, so that one-sided and skewed values are served too.
 */

import { integerCount } from '../../quant/math.ts'
import type { Histogram } from '../histogram.ts'
import type { Range } from '../range.ts'
import type { Observer } from './observer.ts'

const STEPS = 32

export const entropy: Observer = {
  name: 'entropy',
  needsHistogram: true,
  range: ({ histogram, min, max }, levels) => {
    const integers = integerCount(levels)
    return histogram && histogram.width > 0 && integers <= histogram.counts.length / 2
      ? search(withoutSpike(histogram), { min, max }, integers)
      : { min, max }
  },
}

/**
 * What clamps and gates leave at exactly 0 is left out: it costs nothing in any range, and as a bin that its neighbours would be merged with it
 * makes every wide range look bad. Source: NVIDIA, pytorch-quantization, which ignores the first bin.
 */
function withoutSpike(histogram: Histogram): Histogram {
  const zero = Math.min(Math.max(Math.floor(-histogram.low / histogram.width), 0), histogram.counts.length - 1)
  const counts = histogram.counts.slice()
  const beside = [counts[zero - 1], counts[zero + 1]].filter((count) => count !== undefined)
  counts[zero] = Math.min(counts[zero]!, Math.max(...beside))
  return { ...histogram, counts }
}

function search(histogram: Histogram, { min, max }: Range, integers: number): Range {
  const bins = histogram.counts.length
  const zero = Math.max(0, Math.min(bins, Math.round(-histogram.low / histogram.width)))
  const top = (share: number) => (max <= 0 ? bins : Math.round(zero + (bins - zero) * share))
  const bottom = (share: number) => (min >= 0 ? 0 : Math.round(zero * (1 - share)))
  let best = { from: 0, to: bins, loss: divergence(histogram.counts, 0, bins, integers) }
  const consider = (from: number, to: number) => {
    if (to - from < integers / 2) return
    const loss = divergence(histogram.counts, from, to, integers)
    if (loss < best.loss) best = { from, to, loss }
  }
  for (let i = 1; i <= STEPS; i++) {
    const share = i / STEPS
    consider(bottom(share), top(share))
    consider(best.from, top(share))
    consider(bottom(share), best.to)
  }
  const { low, width } = histogram
  return { min: best.from === 0 ? min : low + best.from * width, max: best.to === bins ? max : low + best.to * width }
}

/** KL(P ‖ Q) of bins [from, to), the tails added to the ends of P. */
function divergence(counts: Float64Array, from: number, to: number, integers: number): number {
  const reference = counts.slice(from, to)
  for (let i = 0; i < from; i++) reference[0]! += counts[i]!
  for (let i = to; i < counts.length; i++) reference[reference.length - 1]! += counts[i]!
  const merged = mergeAndExpand(counts.subarray(from, to), integers)
  const [p, q] = [sum(reference), sum(merged)]
  if (p === 0 || q === 0) return Number.POSITIVE_INFINITY
  let loss = 0
  for (let i = 0; i < reference.length; i++) {
    if (reference[i]! > 0) loss += (reference[i]! / p) * Math.log(reference[i]! / p / Math.max(merged[i]! / q, 1e-12))
  }
  return loss
}

/** Every group of bins that becomes one integer, spread evenly over its bins that hold something. */
function mergeAndExpand(counts: Float64Array, integers: number): Float64Array {
  const out = new Float64Array(counts.length)
  const perLevel = counts.length / integers
  for (let level = 0; level < integers; level++) {
    const from = Math.floor(level * perLevel)
    const to = level === integers - 1 ? counts.length : Math.floor((level + 1) * perLevel)
    const group = counts.subarray(from, to)
    const used = group.reduce((number, count) => number + (count > 0 ? 1 : 0), 0)
    const mean = used > 0 ? sum(group) / used : 0
    for (let i = from; i < to; i++) if (counts[i]! > 0) out[i] = mean
  }
  return out
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
