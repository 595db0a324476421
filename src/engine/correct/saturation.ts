/**
 * Processors without a dot product add two products of u8 and s8 in 16 bits that saturate. Two neighbouring weights are safe while
 * the sum of what has one sign stays within 128, because 255 · 128 < 2^15. Source: Intel, VPMADDUBSW.
 */
import type { Node } from '../ir/graph.ts'
import { channelLayout } from '../quant/math.ts'

const LARGEST_SUM = 128
/** what a narrowed pair aims at: rounding may add one */
const AIM = 127

/**
 * By how much the scale of every channel must grow so that no two neighbours saturate; 1 where none do. `levels`: rounded weight ÷ scale, `axis`: output channels.
 * Neighbours are looked for along the multiplied axis in file order and, for convolutions, with input channels innermost as well.
 */
export function saturationOf(
  levels: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  node: Pick<Node, 'opType'>,
): Float64Array {
  const { outer, channels, inner } = channelLayout(shape, axis)
  const excess = new Float64Array(channels).fill(1)
  const window = node.opType === 'Conv' && shape.length > 2 ? inner / shape[1]! : 1
  const consider = (channel: number, a: number, b: number) => {
    const sum = a > 0 === b > 0 ? Math.abs(a + b) : Math.max(Math.abs(a), Math.abs(b))
    if (sum > LARGEST_SUM) excess[channel] = Math.max(excess[channel]!, sum / AIM)
  }
  const along = outer * inner
  for (let c = 0; c < channels; c++) {
    const at = (k: number) => levels[(Math.floor(k / inner) * channels + c) * inner + (k % inner)]!
    for (let k = 0; k + 1 < along; k++) consider(c, at(k), at(k + 1))
    if (window > 1) for (let k = 0; k + window < along; k++) consider(c, at(k), at(k + window))
  }
  return excess
}
