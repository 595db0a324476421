/** What a task metric is: scores of samples that add up, or a figure over all of them. */
import type { RunTensor } from '../../runtime/runtime.ts'

/** labels of one sample, flat: a class, a sequence padded with −1, the classes of pixels, a target */
export type Label = readonly number[]

/** One score and one weight per sample; the metric is Σ score ÷ Σ weight. */
export interface Score {
  value: number
  weight: number
}

/** What a metric may want to know besides outputs and labels. */
export interface MetricContext {
  /** of the classes of the output that is scored, or null */
  classAxis: number | null
  /** the class that stands between words */
  wordSeparator: number | null
}

/** A mean over samples. */
export interface AdditiveMetric {
  /** a larger figure is worse */
  isError: boolean
  score(output: RunTensor, labels: readonly Label[], context: MetricContext): Score[]
  /** what is reported of the mean */
  figure?: (mean: number) => number
}

/** A figure that only all samples together have. */
export interface CorpusMetric<Item = unknown> {
  isError: boolean
  /** so many neighbouring samples belong together */
  unit?: number
  /** what counts of each sample */
  items(output: RunTensor, labels: readonly Label[], context: MetricContext): Item[]
  figure(items: readonly Item[]): number
  /** scores of the samples whose mean is the figure, where there are such */
  each?: (items: readonly Item[]) => number[]
}

export const corpus = <Item>(metric: CorpusMetric<Item>): CorpusMetric => metric as CorpusMetric
