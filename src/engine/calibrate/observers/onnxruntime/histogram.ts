/** numpy.histogram of float32 data: the same edges, and the same bin for every element. All arithmetic is float32. */
import type { Range } from '../../range.ts'

/** One more edge than counts. */
export interface EdgeHistogram {
  counts: Float64Array
  edges: Float32Array | Float64Array
}

const f = Math.fround

/** Equal bins over a range; what lies outside is not counted. Source: numpy 2, numpy.histogram with a number of bins. */
export function equalBins(bins: number, range: Range): EdgeHistogram {
  const { min, max } = range.min === range.max ? { min: f(range.min - 0.5), max: f(range.max + 0.5) } : range
  const step = f(f(max - min) / bins)
  const edges = Float32Array.from({ length: bins + 1 }, (_, i) => f(f(i * step) + min))
  edges[bins] = max
  return { counts: new Float64Array(bins), edges }
}

export function countEqual({ counts, edges }: EdgeHistogram, values: Float32Array): void {
  const bins = counts.length
  const [first, last] = [edges[0]!, edges[bins]!]
  const width = f(last - first)
  for (const x of values) {
    if (!(x >= first && x <= last)) continue
    let bin = Math.trunc(f(f(f(x - first) / width) * bins))
    if (bin === bins) bin--
    if (x < edges[bin]!) bin--
    if (x >= edges[bin + 1]! && bin !== bins - 1) bin++
    counts[bin]!++
  }
}

/** The same between given edges, which need not be evenly spaced. Source: numpy.histogram with an array of edges. */
export function countBetween({ counts, edges }: EdgeHistogram, values: Float32Array): void {
  const bins = counts.length
  for (const x of values) {
    if (!(x >= edges[0]! && x <= edges[bins]!)) continue
    counts[Math.min(firstAbove(edges, x) - 1, bins - 1)]!++
  }
}

/** The index of the first edge above x. */
function firstAbove(edges: EdgeHistogram['edges'], x: number): number {
  let [from, to] = [0, edges.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (edges[middle]! <= x) from = middle + 1
    else to = middle
  }
  return from
}

/**
 * More bins of the same width above, until they hold `largest`. The old edges are float32, the new ones float64 until the next time.
 * Source: HistogramCollector.collect_absolute_value and numpy.arange.
 */
export function extended({ counts, edges: found }: EdgeHistogram, largest: number): EdgeHistogram {
  const edges = Float32Array.from(found)
  const last = edges[edges.length - 1]!
  if (largest <= last) return { counts: counts.slice(), edges }
  const width = f(edges[1]! - edges[0]!)
  const [start, stop] = [f(last + width), f(largest + width)]
  const added = Math.max(0, Math.ceil(f(f(stop - start) / width)))
  const wide = { counts: new Float64Array(counts.length + added), edges: new Float64Array(edges.length + added) }
  wide.counts.set(counts)
  wide.edges.set(edges)
  const step = f(start + width) - start
  for (let i = 0; i < added; i++) wide.edges[edges.length + i] = start + i * step
  return wide
}
