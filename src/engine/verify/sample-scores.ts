/** One score per sample of a float and a quantized model, by which methods are compared in pairs. */
import type { Quality } from '../../contract/comparison.ts'
import type { MeasuredOn } from '../../contract/measured-on.ts'

/** Larger is better; the figure of a model is Σ score ÷ Σ weight. `float` is null where the float model is the measure itself. */
export interface SampleScores {
  quality: Quality
  measured_on: MeasuredOn
  float: readonly number[] | null
  quantized: readonly number[]
  weights: readonly number[]
}

/** The same before it is known what the samples are. */
export type Scores = Omit<SampleScores, 'measured_on'>

/** Whether two rows were measured on the same samples, one by one. */
export const areSame = (a: SampleScores, b: SampleScores): boolean =>
  a.quality === b.quality &&
  a.measured_on === 'evaluation' &&
  b.measured_on === 'evaluation' &&
  a.weights.length === b.weights.length &&
  a.weights.every((weight, i) => weight === b.weights[i])
