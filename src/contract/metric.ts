/** Which labels a metric needs, and which metric suits given labels. */
import type { MetricName } from './recipe.ts'

interface MetricFacts {
  /** axes of the labels: 1 = one per sample, 2 = a sequence, 3 = an image of classes; `any`: as the output has; null: none */
  labelAxes: number | 'any' | null
  /** labels are numbers of classes */
  classes: boolean
  /** a figure between 0 and 1, or −1 and 1, of which a hundredth is a point */
  isShare: boolean
}

const CLASSES = { classes: true, isShare: true }
const UNLABELLED = { labelAxes: null, classes: false, isShare: true }

export const METRIC_FACTS: Readonly<Record<MetricName, MetricFacts>> = {
  top1: { labelAxes: 1, ...CLASSES },
  top5: { labelAxes: 1, ...CLASSES },
  f1: { labelAxes: 1, ...CLASSES },
  matthews: { labelAxes: 1, ...CLASSES },
  pearson: { labelAxes: 1, classes: false, isShare: true },
  spearman: { labelAxes: 1, classes: false, isShare: true },
  nearest_neighbor: { labelAxes: 1, ...CLASSES },
  perplexity: { labelAxes: 2, classes: true, isShare: false },
  cer: { labelAxes: 2, ...CLASSES },
  wer: { labelAxes: 2, ...CLASSES },
  miou: { labelAxes: 3, ...CLASSES },
  psnr: { labelAxes: 'any', classes: false, isShare: false },
  agreement: UNLABELLED,
  cosine: UNLABELLED,
  mse: { ...UNLABELLED, isShare: false },
}

/** What labels are, as far as a metric cares. */
export interface LabelKind {
  dtype: string
  shape: readonly number[]
}

const INTEGER = /^u?int/
const BY_RANK: Record<number, MetricName> = { 1: 'top1', 2: 'cer', 3: 'miou' }

/** Without labels that are classes: how often float and quantized model agree. */
export function defaultMetric(labels: LabelKind | null): MetricName {
  return (labels && INTEGER.test(labels.dtype) && BY_RANK[labels.shape.length]) || 'agreement'
}

/** What is wrong with labels for a metric, or null. */
export function labelsProblem(metric: MetricName, labels: LabelKind | null): string | null {
  const { labelAxes, classes } = METRIC_FACTS[metric]
  if (labelAxes === null) return null
  if (!labels) return `${metric} needs labels, there are none`
  const { dtype, shape } = labels
  if (labelAxes !== 'any' && shape.length !== labelAxes)
    return `${metric} needs labels with ${labelAxes} ${labelAxes === 1 ? 'axis' : 'axes'}, they have ${shape.length} axes`
  return classes && !INTEGER.test(dtype) ? `${metric} needs labels that are classes, integers; they are ${dtype}` : null
}
