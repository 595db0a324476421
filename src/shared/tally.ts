/** Sums by name, in memory. */

export interface Tally {
  of(name: string): number
  add(name: string, amount: number): void
}

/** Names whose sum is zero are forgotten. */
export function openTally(): Tally {
  const sums = new Map<string, number>()
  const of = (name: string) => sums.get(name) ?? 0
  return {
    of,
    add(name, amount) {
      const sum = of(name) + amount
      if (sum === 0) sums.delete(name)
      else sums.set(name, sum)
    },
  }
}
