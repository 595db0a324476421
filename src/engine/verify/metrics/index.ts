/** The metrics that count against labels, by name. */
import type { MetricName } from '../../../contract/recipe.ts'
import { f1, matthews, top1, top5 } from './classes.ts'
import { miou, psnr } from './dense.ts'
import type { AdditiveMetric, CorpusMetric } from './metric.ts'
import { cer, perplexity, wer } from './sequences.ts'
import { nearestNeighbor, pearson, spearman } from './vectors.ts'

export const LABELLED_METRICS: Partial<Record<MetricName, AdditiveMetric>> = { top1, top5, cer, wer, perplexity, psnr }

export const CORPUS_METRICS: Partial<Record<MetricName, CorpusMetric>> = {
  f1,
  matthews,
  pearson,
  spearman,
  nearest_neighbor: nearestNeighbor,
  miou,
}
