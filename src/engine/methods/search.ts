/** Tries variants of a static quantization and keeps the best; what was tried, and what it was worth, goes into the report. */
import type { RunTensor } from '../runtime/runner.ts'
import { type Judge, openJudge } from './judge.ts'
import type { MethodInput } from './method.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

export interface SearchStep {
  step: string
  sqnr_db: number
  kept: boolean
}

export interface Search {
  steps: SearchStep[]
  /** whether there are samples to judge by */
  canJudge: boolean
  /** SQNR in dB of a variant's worst output */
  scoreOf(variant: Variant): Promise<number>
  /** The best of named variants; an earlier one wins unless a later one is clearly better. */
  best(variants: readonly (readonly [string, Variant])[]): Promise<Variant>
}

/** dB that a later variant must win */
const MARGIN_DB = 0.05

/** Variants are judged against the model at `floatPath`. Without samples to judge, the first variant is kept. */
export async function openSearch(
  { runtime, workspace }: MethodInput,
  common: VariantInput,
  floatPath: string,
  batches: readonly Record<string, RunTensor>[],
): Promise<Search> {
  const judge = batches.length > 0 ? await openJudge({ runtime, workspace, floatPath, batches }) : null
  const scores = new Map<Variant, number>()
  const steps: SearchStep[] = []
  const scoreOf = async (variant: Variant) => {
    const score = scores.get(variant) ?? (await (judge as Judge).score(buildVariant(common, variant).model))
    scores.set(variant, score)
    return score
  }
  return {
    steps,
    canJudge: judge !== null,
    scoreOf,
    async best(variants) {
      const [first] = variants
      if (!first) throw new Error('nothing to choose from')
      if (!judge || variants.length === 1) return first[1]
      const scored: { step: string; variant: Variant; score: number }[] = []
      for (const [step, variant] of variants) scored.push({ step, variant, score: await scoreOf(variant) })
      const best = scored.reduce((a, b) => (b.score > a.score + MARGIN_DB ? b : a))
      for (const { step, score, variant } of scored)
        steps.push({ step, sqnr_db: score, kept: variant === best.variant })
      return best.variant
    },
  }
}
