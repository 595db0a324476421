/** What a comparison tries, or a rung of the method auto. */
import type { Method, Target } from '../../contract/recipe.ts'

/** One method for one target. */
export interface Candidate {
  /** unique for its target */
  name: string
  target: Target
  method: Method
}
