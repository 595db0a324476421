/** One budget that works share which run at the same time: each takes what it costs, or waits for its turn. */
import { FewbitError } from './errors.ts'

export interface Budget {
  /** Runs `work` when `cost` is free, in the order of the calls; a cost above the whole budget waits for all of it. Throws unavailable. */
  run<T>(cost: number, work: () => Promise<T>): Promise<T>
}

interface Waiting {
  cost: number
  start: () => void
}

/** `maxWaitMs`: whoever waits longer is told to come back. */
export function openBudget(total: number, maxWaitMs: number): Budget {
  const queue: Waiting[] = []
  let free = total
  const next = () => {
    while (queue[0] && queue[0].cost <= free) {
      const { cost, start } = queue.shift()!
      free -= cost
      start()
    }
  }
  const turn = (cost: number) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(waiting), 1)
        reject(new FewbitError('unavailable', 'too many uploads are being read at the moment'))
        next()
      }, maxWaitMs)
      const waiting = {
        cost,
        start: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      queue.push(waiting)
      next()
    })
  return {
    async run(wanted, work) {
      const cost = Math.min(wanted, total)
      await turn(cost)
      try {
        return await work()
      } finally {
        free += cost
        next()
      }
    },
  }
}
