/** One observer does not suit every value: what each would better have is tried, and kept where the outputs come closer. */
import { errorOfRanges } from '../../calibrate/observers/expected.ts'
import type { Observer } from '../../calibrate/observers/observer.ts'
import type { Range } from '../../calibrate/range.ts'
import type { Search } from './search.ts'
import { type Observed, observedIn, type Variant, type VariantInput } from './variant.ts'

/** parts of the values, those first whose range another observer changes most, that it might suit better: from the largest down */
const PARTS: readonly (readonly [from: number, to: number])[] = [
  [0, 1 / 2],
  [1 / 2, 1],
  [0, 1 / 4],
  [0, 1 / 8],
]
/** dB that a change must win: of many that are tried on few samples, some win a little by chance */
const MARGIN_DB = 0.25
/** a range that changes by less is the same */
const LEAST_CHANGE = 0.01

/**
 * First every value with the observer of `candidates` whose range has the smallest expected error; then, observer by observer, the values whose
 * range that one would change most. Judged by the held-out outputs, because an error that is small in itself can be the one that matters.
 */
export async function chooseByValue(
  search: Search,
  common: VariantInput,
  best: Variant,
  candidates: readonly Observer[],
): Promise<Variant> {
  const values = observedIn(common, best)
  const byError = { ...best, exceptions: leastErrors(values, best.observer, candidates) }
  let current = await search.improve(best, [['observers by expected error', byError]], MARGIN_DB)
  for (const other of candidates) current = await spread(search, values, current, other)
  return current
}

/** Gives the observer to as many values as the outputs gain from. */
async function spread(
  search: Search,
  values: readonly Observed[],
  current: Variant,
  other: Observer,
): Promise<Variant> {
  const ranked = byChange(values, current, other)
  const at = (share: number) => Math.ceil(share * ranked.length)
  const tried = new Set<string>()
  for (const [from, to] of PARTS) {
    const chosen = ranked.slice(at(from), at(to))
    if (chosen.length === 0 || tried.has(chosen.join())) continue
    tried.add(chosen.join())
    const exceptions = new Map([...current.exceptions, ...chosen.map((name) => [name, other] as const)])
    const step = `observer ${other.name} for ${chosen.length} of ${values.length} values`
    const changed = await search.improve(current, [[step, { ...current, exceptions }]], MARGIN_DB)
    if (changed !== current) return changed
  }
  return current
}

function leastErrors(
  values: readonly Observed[],
  usual: Observer,
  candidates: readonly Observer[],
): Map<string, Observer> {
  const exceptions = new Map<string, Observer>()
  for (const { name, statistics, levels } of values) {
    const errorOf = errorOfRanges(statistics, levels)
    const errors = candidates.map((observer) => errorOf(observer.range(statistics, levels)))
    const least = candidates[errors.indexOf(Math.min(...errors))]!
    if (least !== usual) exceptions.set(name, least)
  }
  return exceptions
}

/** Names of the values whose range the observer would change, those that it changes most first. */
function byChange(values: readonly Observed[], { observer, exceptions }: Variant, other: Observer): string[] {
  const widthOf = ({ min, max }: Range) => max - min || 1
  return values
    .map(({ name, statistics, levels }) => {
      const own = (exceptions.get(name) ?? observer).range(statistics, levels)
      return { name, change: Math.abs(Math.log(widthOf(own) / widthOf(other.range(statistics, levels)))) }
    })
    .filter(({ change }) => change > LEAST_CHANGE)
    .toSorted((a, b) => b.change - a.change)
    .map(({ name }) => name)
}
