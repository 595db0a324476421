/** Numbers averaged over the steps: rounding makes single weights jump to and fro, and their average lies where they were most of the time. */

/** part of all steps that the average looks back on */
const MEMORY_PART = 0.05
/** the first steps count less the longer ago they are */
const EARLY = 10

/** Weight of the numbers after step `step`, counted from 1, in the average of a training of `steps`. */
const weightOf = (step: number, steps: number): number =>
  Math.max(1 / (1 + MEMORY_PART * steps), 1 - (1 + step) / (EARLY + step))

/**
 * Moves `average` towards `numbers`, slot by slot, after step `step`, counted from 1.
 * Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), as an exponential moving average.
 */
export function addToAverage(
  average: readonly Float32Array[],
  numbers: readonly Float32Array[],
  step: number,
  steps: number,
): void {
  const weight = weightOf(step, steps)
  for (const [slot, mean] of average.entries()) {
    const now = numbers[slot]!
    for (let i = 0; i < mean.length; i++) mean[i]! += weight * (now[i]! - mean[i]!)
  }
}
