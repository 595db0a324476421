/** What each sample adds to a figure that only all of them have: pseudo-values. B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 11. */
import { randomSource } from '../../data/synthetic.ts'
import { at } from '../../ir/list.ts'
import type { CorpusMetric } from './metric.ts'

/** so many groups of samples are left out, one after the other */
const MOST_GROUPS = 200
const SEED = 0

/** Their mean is the figure, but for its bias; the same samples in the same groups for every model. */
export function pseudoValues({ figure, unit = 1 }: CorpusMetric, items: readonly unknown[]): number[] {
  const groups = groupsOf(Math.ceil(items.length / unit))
  const count = Math.max(...groups) + 1
  if (items.length === 0 || count < 2) return []
  const whole = figure(items)
  return Array.from({ length: count }, (_, group) => {
    const rest = items.filter((_, i) => groups[Math.floor(i / unit)] !== group)
    return count * whole - (count - 1) * figure(rest)
  })
}

/** The group of each unit, drawn at random. */
function groupsOf(units: number): number[] {
  const count = Math.min(units, MOST_GROUPS)
  const groups = Array.from({ length: units }, (_, i) => i % count)
  const random = randomSource(SEED)
  for (let i = units - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [at(groups, i), at(groups, j)]
    groups[i] = b
    groups[j] = a
  }
  return groups
}
