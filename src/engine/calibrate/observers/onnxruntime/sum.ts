/** numpy.sum of float32: eight lanes of blocks of at most 128, and the blocks in pairs. */

const f = Math.fround
const BLOCK = 128
const LANES = 8

export function pairwiseSum(values: Float32Array): number {
  const { length } = values
  if (length < LANES) return values.reduce((total, x) => f(total + x), 0)
  if (length <= BLOCK) return laneSum(values)
  const half = Math.floor(length / 2)
  const split = half - (half % LANES)
  return f(pairwiseSum(values.subarray(0, split)) + pairwiseSum(values.subarray(split)))
}

function laneSum(values: Float32Array): number {
  const lanes = values.slice(0, LANES)
  const whole = values.length - (values.length % LANES)
  for (let i = LANES; i < whole; i++) lanes[i % LANES]! += values[i]!
  const pairs = [0, 2, 4, 6].map((i) => f(lanes[i]! + lanes[i + 1]!))
  const total = f(f(pairs[0]! + pairs[1]!) + f(pairs[2]! + pairs[3]!))
  return values.subarray(whole).reduce((all, x) => f(all + x), total)
}
