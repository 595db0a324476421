/** How long models take on the same inputs, measured in turns. */

import { feedsFor } from '../runtime/feeds.ts'
import type { RunTensor, Runtime, Session } from '../runtime/runtime.ts'
import { timesInTurns } from '../runtime/turns.ts'
import { quantile } from './interval.ts'

const TURNS = { most: 50, least: 10, budgetMs: 1500 }

interface Timed {
  runtime: Runtime
  now: () => number
  feeds: Readonly<Record<string, RunTensor>>
  /** the quantile that stands for the runs of a model: 1/2 for what users meet, less for what the machine disturbed least */
  share: number
}

/** Milliseconds of a run of each model, by its path. */
export async function timesSideBySide(
  paths: readonly string[],
  { runtime, now, feeds, share }: Timed,
): Promise<number[]> {
  const sessions: Session[] = []
  try {
    for (const path of paths) sessions.push(await runtime.load(path, { optimization: 'all' }))
    const runs = sessions.map((session) => {
      const own = feedsFor(session, feeds)
      return () => session.run(own)
    })
    const times = await timesInTurns(runs, { ...TURNS, threads: runtime.threads, now })
    return times.map((all) =>
      quantile(
        all.toSorted((a, b) => a - b),
        share,
      ),
    )
  } finally {
    for (const session of sessions) await session.release()
  }
}
