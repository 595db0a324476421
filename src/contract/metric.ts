/** Which labels a metric needs, and which metric suits given labels. */
import type { MetricName } from './recipe.ts'

/** axes of the labels: one class per sample, or one sequence per sample */
export const METRICS_OF_LABELS: Partial<Record<MetricName, number>> = { top1: 1, top5: 1, cer: 2 }

const BY_RANK: Record<number, MetricName> = { 1: 'top1', 2: 'cer' }

/** Without usable labels: how often float and quantized model agree. */
export function defaultMetric(labels: { shape: readonly number[] } | null): MetricName {
  return BY_RANK[labels?.shape.length ?? 0] ?? 'agreement'
}
