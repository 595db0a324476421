/**
 * Adaptive rounding: whether a weight is rounded up or down is decided by the squared error of its layer's output, E‖(Ŵ − W)·x‖², instead of by
 * its own. For every row d of Ŵ − W that error is d·G·dᵀ with G = E[x·xᵀ]: a quadratic problem over two choices per weight, solved by coordinate
 * descent from round-to-nearest.
 * Source: Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization" (2020), section 3 for the objective.
 */

/** share of the mean diagonal that is added to it, so that what the samples did not show counts too */
const DAMPING = 0.01
const SWEEPS = 20

export interface Row {
  /** float weights */
  weights: Float64Array
  /** integers less the zero point; changed in place */
  integers: Float64Array
  scale: number
  /** weights that must keep their integer: the extremes that the scale comes from */
  pinned: (index: number) => boolean
}

/** Adds the damping to the diagonal of each of the `groups` matrices. */
export function damp(gram: Float32Array, groups: number, length: number): void {
  const size = length * length
  for (let group = 0; group < groups; group++) {
    let trace = 0
    for (let i = 0; i < length; i++) trace += gram[group * size + i * (length + 1)]!
    for (let i = 0; i < length; i++) gram[group * size + i * (length + 1)]! += (DAMPING * trace) / length
  }
}

/** Improves the integers of a row; `gram` begins at `from` and is symmetric. Returns how many were changed in the end. */
export function roundRow({ weights, integers, scale, pinned }: Row, gram: Float32Array, from: number): number {
  const length = weights.length
  const nearest = integers.slice()
  const error = weights.map((w, i) => integers[i]! * scale - w)
  const gradient = new Float64Array(length)
  for (let i = 0; i < length; i++) addRow(gradient, gram, from + i * length, error[i]!)
  for (let sweep = 0, changed = true; changed && sweep < SWEEPS; sweep++) {
    changed = false
    for (let i = 0; i < length; i++) {
      const step = error[i]! > 0 ? -scale : scale
      const gain = 2 * step * gradient[i]! + step * step * gram[from + i * (length + 1)]!
      if (gain >= 0 || error[i] === 0 || pinned(i)) continue
      error[i]! += step
      integers[i]! += Math.sign(step)
      addRow(gradient, gram, from + i * length, step)
      changed = true
    }
  }
  return integers.reduce((count, integer, i) => count + (integer === nearest[i] ? 0 : 1), 0)
}

function addRow(to: Float64Array, gram: Float32Array, start: number, factor: number): void {
  if (factor === 0) return
  for (let i = 0; i < to.length; i++) to[i]! += factor * gram[start + i]!
}
