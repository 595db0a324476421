/** The Pareto front: rows that nothing beats in quality, speed and size at once. */

/** What a row is worth; null: unknown. */
export interface Worth {
  target: string
  /** of the float model: it stands beside every target */
  isFloat: boolean
  /** larger is better */
  quality: number | null
  /** against the float model, where the target's hardware measured it */
  speedup: number | null
  bytes: number | null
}

/** a machine measures its own speed no closer than this */
const SAME_SPEED = 1.05

/** Which of the rows are on the front. A row of which something is unknown that the others have is on none. */
export const frontOf = (rows: readonly Worth[]): boolean[] =>
  rows.map((row) => isKnown(row) && !rows.some((other) => isKnown(other) && dominates(other, row)))

const isKnown = ({ quality, bytes }: Worth): boolean => quality !== null && bytes !== null

/** Quality and size are exact, so that a tolerance in speed alone makes no circles. */
function dominates(a: Worth, b: Worth): boolean {
  if (!areAlternatives(a, b)) return false
  const speeds = a.speedup !== null && b.speedup !== null ? ([a.speedup, b.speedup] as const) : null
  const [quality, size] = [(a.quality ?? 0) - (b.quality ?? 0), (b.bytes ?? 0) - (a.bytes ?? 0)]
  const isFaster = speeds !== null && speeds[0] > speeds[1] * SAME_SPEED
  const isSlower = speeds !== null && speeds[1] > speeds[0] * SAME_SPEED
  return quality >= 0 && size >= 0 && !isSlower && (quality > 0 || size > 0 || isFaster)
}

/** Artifacts for different hardware do not compete; those that this machine measured run on the same. */
const areAlternatives = (a: Worth, b: Worth): boolean =>
  a.isFloat || b.isFloat || a.target === b.target || (a.speedup !== null && b.speedup !== null)
