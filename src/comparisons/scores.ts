/** Scores of the samples that judged a job: written by a runner, so checked before they are believed. */
import { z } from 'zod'
import { QUALITIES } from '../contract/comparison.ts'
import { MEASURED_ON } from '../contract/measured-on.ts'
import type { SampleScores } from '../engine/verify/sample-scores.ts'
import { FewbitError } from '../shared/errors.ts'
import type { Store } from '../storage/store.ts'

const MOST_BYTES = 64 << 20
const figures = z.array(z.number()).max(1_000_000)

const Scores = z.object({
  quality: z.enum(QUALITIES),
  measured_on: z.enum(MEASURED_ON),
  float: figures.nullable(),
  quantized: figures,
  weights: figures,
})

/** Throws what the store throws, and quantization_failed for what are no scores. */
export async function readScores(
  store: Store,
  { sha256, size_bytes }: { sha256: string; size_bytes: number },
): Promise<SampleScores> {
  if (size_bytes > MOST_BYTES) throw new FewbitError('quantization_failed', 'the scores are too large')
  const chunks: Buffer[] = []
  for await (const chunk of (await store.get(sha256)) as AsyncIterable<Buffer>) chunks.push(chunk)
  const scores = Scores.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
  const lengths = [scores.quantized, scores.weights, scores.float ?? scores.quantized].map(({ length }) => length)
  if (new Set(lengths).size > 1) throw new FewbitError('quantization_failed', 'the scores do not belong together')
  return scores
}
