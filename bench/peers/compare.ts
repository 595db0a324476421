/** Everything that is measured of one model. */
import { rmSync, statSync } from 'node:fs'
import { batchesOf } from '../../src/engine/data/samples.ts'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runtime.ts'
import { type Made, OURS, ours, shortened, THEIRS, THREADS, theirs } from './sides.ts'
import { prepareSubject, type Score, type Subject } from './subjects.ts'

export interface Row {
  side: 'float' | 'fewbit' | 'ort'
  setting: string
  problem?: string
  /** percent */
  score?: number
  /** score minus the float model's, and the standard error of that difference */
  difference?: number
  error?: number
  milliseconds?: number
  bytes?: number
  seconds?: number
  peakBytes?: number
}

export interface Compared {
  name: string
  metric: Subject['metric']
  rows: Row[]
  /** our default minus their best, and the standard error of that difference */
  against: { setting: string; difference: number; error: number } | null
}

interface Loaded {
  one: Made
  session: Session
  score: Score
  resampled: readonly number[]
}

const RUNS = 105
const WARM = 5
const RESAMPLES = 100
const runtime = openRuntime(THREADS)

export async function compare(subject: Subject): Promise<Compared> {
  const prepared = await prepareSubject(subject)
  const made: Made[] = [{ side: 'fewbit', setting: 'float', path: prepared.model }]
  const say = (one: Made) => {
    const cost = one.problem ?? `${one.seconds!.toFixed(2)} s, ${(one.peakBytes! / 1e6).toFixed(0)} MB`
    console.log(`${subject.name}: ${one.side} ${one.setting}: ${cost}`)
    made.push(one)
  }
  for (const setting of Object.keys(OURS) as (keyof typeof OURS)[]) say(ours(prepared, setting))
  for (const setting of THEIRS) say(theirs(prepared, setting, subject))
  if (subject.dynamic) {
    say(ours(prepared, 'dynamic'))
    say(theirs(prepared, 'dynamic', subject))
  }
  const loaded: Loaded[] = []
  const rows: Row[] = []
  for (const one of made) {
    const found = one.path ? await scored(one.path, prepared.score) : (one.problem ?? '')
    if (typeof found !== 'string')
      loaded.push({ one, ...found, resampled: resampled(found.score, prepared.evaluation.samples) })
    else rows.push({ ...costOf(one), problem: found })
  }
  const probe = await batchesOf(
    { dataset: prepared.evaluation, start: 0, count: 1 },
    loaded[0]!.session.inputs,
    1,
  ).next()
  const medians = await latencies(
    loaded.map(({ one }) => one.path!),
    probe.value!.feeds,
  )
  const float = loaded[0]!
  for (const [i, own] of loaded.entries()) {
    const { one, score, session } = own
    const error = standardError(own, float)
    const bytes = statSync(one.path!).size
    const measured = {
      score: score.value,
      difference: score.value - float.score.value,
      error,
      milliseconds: medians[i]!,
      bytes,
    }
    rows.splice(i, 0, { ...costOf(one), ...measured })
    await session.release()
  }
  rmSync(prepared.folder, { recursive: true })
  return { name: subject.name, metric: subject.metric, rows, against: against(loaded) }
}

const costOf = ({ side, setting, seconds, peakBytes }: Made): Row =>
  setting === 'float'
    ? { side: 'float', setting: '' }
    : { side, setting, ...(seconds && { seconds }), ...(peakBytes && { peakBytes }) }

/** The artifact in a session with its score, or why it cannot run. */
async function scored(
  path: string,
  score: (session: Session) => Promise<Score>,
): Promise<{ session: Session; score: Score } | string> {
  try {
    const session = await runtime.load(path, { optimization: 'all' })
    return { session, score: await score(session) }
  } catch (error) {
    return `does not run: ${shortened(error instanceof Error ? error.message : String(error))}`
  }
}

function against(loaded: readonly Loaded[]): Compared['against'] {
  const own = loaded.find(({ one }) => one.side === 'fewbit' && one.setting === 'auto')
  const theirsByScore = loaded
    .filter(({ one }) => one.side === 'ort' && one.setting !== 'dynamic')
    .toSorted((a, b) => b.score.value - a.score.value)
  const [best] = theirsByScore
  if (!own || !best) return null
  return {
    setting: best.one.setting,
    difference: own.score.value - best.score.value,
    error: standardError(own, best),
  }
}

/** The score on samples drawn with replacement, the same ones for every artifact. */
function resampled({ on }: Score, samples: number): number[] {
  const random = randomSource(1)
  return Array.from({ length: RESAMPLES }, () => {
    const counts = new Array<number>(samples).fill(0)
    for (let i = 0; i < samples; i++) counts[Math.floor(random() * samples)]!++
    return on(counts)
  })
}

/** Of the difference of two scores on the same samples, by the bootstrap. */
function standardError(a: Loaded, b: Loaded): number {
  const differences = a.resampled.map((value, i) => value - b.resampled[i]!)
  const mean = differences.reduce((sum, x) => sum + x, 0) / RESAMPLES
  return Math.sqrt(differences.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (RESAMPLES - 1))
}

/** Medians in milliseconds of single runs on one thread, all artifacts in turn: the threads of one session would wait, busily, while the next one runs. */
async function latencies(paths: readonly string[], feeds: Record<string, RunTensor>): Promise<number[]> {
  const single = openRuntime(1)
  const sessions: Session[] = []
  for (const path of paths) sessions.push(await single.load(path, { optimization: 'all' }))
  const times = sessions.map((): number[] => [])
  for (let i = 0; i < RUNS; i++) {
    for (const [s, session] of sessions.entries()) {
      const started = performance.now()
      await session.run(feeds)
      if (i >= WARM) times[s]!.push(performance.now() - started)
    }
  }
  for (const session of sessions) await session.release()
  return times.map((own) => own.toSorted((a, b) => a - b)[Math.floor(own.length / 2)]!)
}
