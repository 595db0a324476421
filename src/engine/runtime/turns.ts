/** Times of sessions that take turns on one machine. */

export interface Turns {
  /** runs that count, of each; more only to fill a block */
  most: number
  /** fewer are enough where they take longer than the budget */
  least: number
  budgetMs: number
  /** threads of each session */
  threads: number
  now: () => number
}

/** Waiting threads look for work, busily, for tens of milliseconds behind a run. */
const SETTLE_MS = 100
/** runs in a block, and how long it takes at most */
const BLOCK = 40
const BLOCK_MS = 150

/**
 * Milliseconds of single runs, for each of `runs`. They take turns in short blocks, so that all see the same machine; of a session with several threads the
 * first runs of a block do not count, because the threads of the one before still take the processor from it. (Two models of two threads, run by run in turns on
 * two cores, measured up to twice their time.)
 */
export async function timesInTurns(runs: readonly (() => Promise<unknown>)[], turns: Turns): Promise<number[][]> {
  const { most, least, budgetMs, now } = turns
  const times = runs.map((): number[] => [])
  const started = now()
  const isEnough = (count: number) => count >= most || (count >= least && now() - started >= budgetMs)
  for (let turn = 0; !isEnough(times[0]?.length ?? most); turn++) {
    const order = turn % 2 === 0 ? [...runs.keys()] : [...runs.keys()].reverse()
    for (const i of order) times[i]!.push(...(await block(runs[i]!, turns)))
  }
  return times
}

async function block(run: () => Promise<unknown>, { threads, now }: Turns): Promise<number[]> {
  const begun = now()
  do await run()
  while (threads > 1 && now() - begun < SETTLE_MS)
  const times: number[] = []
  const counted = now()
  while (times.length === 0 || (times.length < BLOCK && now() - counted < BLOCK_MS)) {
    const started = now()
    await run()
    times.push(now() - started)
  }
  return times
}
