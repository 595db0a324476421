/** A process that tries case after case and tells its parent before and after each, because any of them may be its last. */
import { openCases } from './cases.ts'
import { type Layer, type Outcome, openGround, TRIES } from './tries.ts'

export interface Order {
  layer: Layer
  seed: number
  from: number
  /** each process of several takes every so many-th case */
  step: number
  until: number
}

export type Told = { index: number; outcome?: Outcome }

process.once('message', async ({ layer, seed, from, step, until }: Order) => {
  const { directory, secret } = openGround()
  const caseOf = openCases(seed, secret)
  for (let index = from; Date.now() < until; index += step) {
    process.send?.({ index } satisfies Told)
    const outcome = await TRIES[layer](caseOf(index), index, directory)
    process.send?.({ index, outcome } satisfies Told)
    await new Promise(setImmediate)
  }
  process.disconnect()
})
