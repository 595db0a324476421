/** Tries variants of a static quantization and keeps the best; what was tried, and what it was worth, goes into the report. */
import { quantizedIn } from '../../plan/plan.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { MethodInput } from '../method.ts'
import { type Judge, openJudge } from './judge.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

export interface SearchStep {
  step: string
  sqnr_db: number
  kept: boolean
}

/** Variants, each under the name of the step that leads to it. */
type Named = readonly (readonly [string, Variant])[]

export interface Search {
  steps: SearchStep[]
  /** whether there are samples to judge by */
  canJudge: boolean
  /** Whether its time is used up: nothing new is tried any more. Who asks has something to try. */
  isOver(): boolean
  /** whether anything was left out for that */
  wasCutShort(): boolean
  /** SQNR in dB of a variant's worst output; −∞ for one that there is no time for */
  scoreOf(variant: Variant): Promise<number>
  /** The best of named variants; an earlier one wins unless a later one is clearly better. */
  best(variants: Named): Promise<Variant>
  /** The best of changes to a variant, or the variant itself where none is better by `margin` dB. */
  improve(current: Variant, changes: Named, margin?: number): Promise<Variant>
}

/** a variant without integers is faithful and of no use */
const NOTHING_QUANTIZED = Number.NEGATIVE_INFINITY
/** dB that a later variant must win */
const MARGIN_DB = 0.05

/** Variants are judged against the model at `floatPath`. Without samples to judge, the first variant is kept. */
export async function openSearch(
  { runtime, workspace, now, searchUntil, isStopped }: MethodInput,
  common: VariantInput,
  floatPath: string,
  batches: readonly Record<string, RunTensor>[],
): Promise<Search> {
  const judge =
    batches.length > 0 ? await openJudge({ runtime, workspace, floatPath, batches, target: common.target }) : null
  const scores = new Map<Variant, number>()
  const steps: SearchStep[] = []
  const judged = async (variant: Variant): Promise<number> => {
    const { model, plan } = buildVariant(common, variant)
    return quantizedIn(plan).length > 0 ? (judge as Judge).score(model) : NOTHING_QUANTIZED
  }
  let cutShort = false
  const isOver = () => {
    const over = isStopped() || now() >= searchUntil
    cutShort ||= over
    return over
  }
  const scoreOf = async (variant: Variant) => {
    if (scores.size > 0 && !scores.has(variant) && isOver()) return NOTHING_QUANTIZED
    const score = scores.get(variant) ?? (await judged(variant))
    scores.set(variant, score)
    return score
  }
  const names = new Map<Variant, string>()
  const recorded = new Set<Variant>()
  const record = (variant: Variant, score: number, kept: boolean) => {
    steps.push({ step: names.get(variant) ?? 'start', sqnr_db: score, kept })
    recorded.add(variant)
  }
  const winnerOf = async (variants: readonly Variant[], current: Variant | null, margin = MARGIN_DB) => {
    const scored: { variant: Variant; score: number }[] = []
    for (const variant of variants) scored.push({ variant, score: await scoreOf(variant) })
    const best = scored.reduce((a, b) => (b.score > a.score + margin ? b : a))
    for (const { variant, score } of scored)
      if (!recorded.has(variant)) record(variant, score, variant === best.variant || variant === current)
    return best.variant
  }
  const name = (named: Named) => {
    for (const [step, variant] of named) names.set(variant, step)
    return named.map(([, variant]) => variant)
  }
  return {
    steps,
    canJudge: judge !== null,
    isOver,
    wasCutShort: () => cutShort,
    scoreOf,
    async best(named) {
      const variants = name(named)
      const [first] = variants
      if (!first) throw new Error('nothing to choose from')
      return judge && variants.length > 1 ? winnerOf(variants, null) : first
    },
    improve: async (current, changes, margin) =>
      judge && changes.length > 0 ? winnerOf([current, ...name(changes)], current, margin) : current,
  }
}
