/** Random choices that a seed decides, so that every case can be made again. */
import { randomSource } from '../../../src/engine/data/synthetic.ts'

export interface Dice {
  /** 0 … count − 1 */
  below(count: number): number
  chance(share: number): boolean
  /** one of these; not to be asked of none */
  of<T>(items: readonly T[]): T
  bytes(count: number): Buffer
}

export function openDice(seed: number): Dice {
  const random = randomSource(seed)
  const below = (count: number) => Math.floor(random() * count)
  return {
    below,
    chance: (share) => random() < share,
    of: (items) => items[below(items.length)]!,
    bytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => below(256))),
  }
}

/** The dice of one case of a run. */
export const diceOf = (seed: number, index: number): Dice => openDice((seed * 1_000_003 + index * 7919) >>> 0)
