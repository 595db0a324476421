/** The method auto: climbs a ladder of methods, the cheapest first, and stops at the first rung that meets the goals, or with the best when time is up. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { AutoReport, Rung as Climbed } from '../../contract/auto.ts'
import { PlanDocument, Report } from '../../contract/report.ts'
import { BEST_DIRECTORY, type RunnerMessage, type RunnerSpec } from '../../contract/runner-protocol.ts'
import { FewbitError } from '../../shared/errors.ts'
import { asFewbitError } from '../errors.ts'
import { type Outcome, runStages } from '../pipeline.ts'
import { writeReport } from '../report/documents.ts'
import type { Host } from '../run.ts'
import { targetOf } from '../targets/index.ts'
import { withJudges } from './judges.ts'
import { ladderFor, type Rung } from './ladder.ts'
import { describeRung, failedRung, type Tried } from './rungs.ts'
import { type Shortfall, shortfallsOf, withUsual } from './shortfalls.ts'
import { textOf } from './text.ts'

interface Climb {
  spec: RunnerSpec
  host: Host
  scratch: string
  signal: AbortSignal | undefined
  goals: AutoReport['goals']
  rungs: readonly Rung[]
  /** on the host's clock */
  started: number
  tried: Tried[]
  best: (Outcome & { index: number; shortfalls: readonly Shortfall[] }) | null
}

/** A rung that was not climbed. */
interface Left {
  name: string
  /** it would not have ended in time */
  forTime: boolean
}

/** where nobody says how long: seconds */
const USUAL_SECONDS = 1800
/** of a training, whatever the job may use: more is not worth waiting for */
const TRAINING_MEMORY = 4 * 2 ** 30
/** share of the time that is left in which a training runs: verifying comes behind it */
const TRAINING_SHARE = 0.6
const USUAL_STEPS = 150

/** As `runStages`. The report is that of the rung that was taken, and says in `auto` what all of them reached. Throws the first rung's error where none succeeds. */
export async function climb(given: RunnerSpec, host: Host, scratch: string, signal?: AbortSignal): Promise<Outcome> {
  const started = host.now()
  const spec = await withJudges(given)
  const has = { hasCalibration: spec.calibration !== undefined, hasTraining: spec.training !== undefined }
  const rungs = ladderFor(spec.recipe, has)
  const goals = withUsual(spec.recipe.goals ?? {})
  const run: Climb = { spec, host, scratch, signal, goals, rungs, started, ...before(spec, scratch, goals) }
  let ended: AutoReport['ended'] | null = null
  const left: Left[] = []
  for (const [index, rung] of rungs.entries()) {
    if (run.tried.some(({ rung: { name } }) => name === rung.name)) continue
    ended ??= endBefore(run)
    const isHopeful = !ended && isWorthTrying(run, rung)
    if (isHopeful && fits(run, rung)) await tryRung(run, rung, index)
    else left.push({ name: rung.name, forTime: isHopeful })
  }
  const last = left.some(({ forTime }) => forTime) ? 'time' : 'ladder_ended'
  return conclude(run, ended ?? endBefore(run) ?? last, left)
}

/** What an attempt that was interrupted has reached. */
function before(
  { climbed, recipe }: RunnerSpec,
  scratch: string,
  goals: Climb['goals'],
): Pick<Climb, 'tried' | 'best'> {
  const best = join(scratch, BEST_DIRECTORY)
  if (!climbed || !existsSync(join(best, 'report.json'))) return { tried: [], best: null }
  const read = (name: string) => JSON.parse(readFileSync(join(best, name), 'utf8'))
  const [report, plan] = [Report.parse(read('report.json')), PlanDocument.parse(read('plan.json'))]
  const tried = climbed.map((rung) => ({ rung, seconds: rung.cost?.seconds ?? 0, shortfalls: [], error: null }))
  const index = Math.max(
    0,
    climbed.findLastIndex(({ size_bytes }) => size_bytes === report.metrics.size_bytes.quantized),
  )
  const shortfalls = shortfallsOf(report.metrics, goals, targetOf(recipe.target))
  return { tried, best: { report, plan, scores: null, index, shortfalls } }
}

function endBefore({ best, host, tried }: Climb): AutoReport['ended'] | null {
  if (best && best.shortfalls.length === 0) return 'goals_met'
  return tried.length > 0 && host.isStopped() ? 'stopped' : null
}

/** Whether the rung can bring what the best one lacks. */
const isWorthTrying = ({ best }: Climb, { helps }: Rung): boolean =>
  !best || best.shortfalls.some(({ lacks }) => helps.includes(lacks))

/** What a rung takes is guessed from the first one; one that ends by itself needs a part of it. */
function fits({ tried: [first], ...climb }: Climb, { cost, isAnytime }: Rung): boolean {
  if (!first) return true
  return secondsLeft(climb) > (first.seconds * cost) / (isAnytime ? 2 : 1)
}

const secondsLeft = ({ spec, host, started }: Pick<Climb, 'spec' | 'host' | 'started'>): number =>
  (spec.max_seconds ?? USUAL_SECONDS) - (host.now() - started) / 1000

async function tryRung(run: Climb, rung: Rung, index: number): Promise<void> {
  const { host, scratch, signal, tried, goals, spec } = run
  const begin = host.now()
  const directory = join(scratch, `rung-${index}`)
  const output = join(directory, 'out')
  mkdirSync(output, { recursive: true })
  const secondsTaken = () => (host.now() - begin) / 1000
  try {
    const outcome = await runStages(specOf(run, rung, output), hostOf(run, rung, index), directory, signal)
    const described = describeRung(rung, spec.recipe.target, outcome.report, goals, secondsTaken())
    tried.push(described)
    const isBest = keepIfBest(run, described, { ...outcome, index: tried.length - 1 }, output)
    host.emit({ type: 'rung', rung: described.rung, best: isBest })
  } catch (error) {
    const cause = asFewbitError(error, 'auto', signal)
    if (signal?.aborted || cause.retryable) throw error
    const described = failedRung(rung, spec.recipe.target, cause, secondsTaken())
    tried.push(described)
    host.emit({ type: 'rung', rung: described.rung, best: false })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The spec of one rung: only what trains is given training data, and a bounded training. */
function specOf(run: Climb, { method, isAnytime }: Rung, output: string): RunnerSpec {
  const { training, checkpoint, ...rest } = run.spec
  const { training: pace, ...recipe } = rest.recipe
  const seconds = Math.max(1, secondsLeft(run))
  const own = { ...rest, output, max_seconds: seconds, recipe: { ...recipe, method } }
  if (!isAnytime) return own
  return {
    ...own,
    recipe: { ...own.recipe, training: pace ?? { batch_size: 'auto', learning_rate: 'auto', steps: USUAL_STEPS } },
    ...(training && { training }),
    ...(checkpoint !== undefined && { checkpoint }),
    memory_bytes: Math.min(rest.memory_bytes ?? Number.POSITIVE_INFINITY, TRAINING_MEMORY),
  }
}

/** Warnings of a rung are those of the artifact only where it is taken. */
function hostOf(run: Climb, { name, isAnytime }: Rung, index: number): Host {
  const { host, rungs } = run
  const trainingEnds = host.now() + 1000 * TRAINING_SHARE * secondsLeft(run)
  return {
    ...host,
    isStopped: () => host.isStopped() || (isAnytime && host.now() > trainingEnds),
    emit: (message) => {
      if (message.type !== 'warning') host.emit(message.type === 'progress' ? within(message) : message)
    },
  }

  function within(message: Extract<RunnerMessage, { type: 'progress' }>): RunnerMessage {
    const fraction = (index + message.fraction) / rungs.length
    return { ...message, fraction, message: `${name}: ${message.message}` }
  }
}

function keepIfBest(run: Climb, { shortfalls }: Tried, outcome: Outcome & { index: number }, output: string): boolean {
  const distance = (list: readonly Shortfall[]) => list.reduce((sum, { size }) => sum + size, 0)
  if (run.best && distance(run.best.shortfalls) <= distance(shortfalls)) return false
  const place = join(run.scratch, BEST_DIRECTORY)
  rmSync(place, { recursive: true, force: true })
  renameSync(output, place)
  run.best = { ...outcome, shortfalls }
  return true
}

/** Puts the best in its place, with a report that tells of the whole ladder. */
function conclude(run: Climb, ended: AutoReport['ended'], left: readonly Left[]): Outcome {
  const { best, tried, spec, scratch, goals, host } = run
  if (!best) throw tried[0]?.error ?? nothingToTry(spec)
  const place = join(scratch, BEST_DIRECTORY)
  cpSync(place, spec.output, { recursive: true })
  const rungs: Climbed[] = tried.map(({ rung }) => rung)
  const facts = {
    goals,
    met: best.shortfalls.length === 0,
    taken: best.index,
    ended,
    rungs,
    not_climbed: left.map(({ name }) => name),
  }
  const auto: AutoReport = { ...facts, text: textOf(facts) }
  const report = Report.parse({ ...best.report, auto })
  for (const warning of report.warnings) host.emit({ type: 'warning', ...warning })
  writeReport(spec.output, report, best.plan)
  return { report, plan: best.plan, scores: best.scores }
}

const nothingToTry = ({ recipe }: RunnerSpec): FewbitError =>
  new FewbitError(
    'target_method_mismatch',
    `there is no method that ${targetOf(recipe.target).id} could be tried with`,
    {
      param: '/method/type',
    },
  )
