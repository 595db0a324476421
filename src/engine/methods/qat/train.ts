/** The training loop: one run of the step per batch, two sets of buffers that take turns, judged and saved from time to time. */
import { addToAverage } from './average.ts'
import { type Buffers, type BuffersInput, openBuffers } from './buffers.ts'
import { type State, writeCheckpoint } from './checkpoint.ts'
import { type Evaluation, isBetter, type Score } from './evaluate.ts'
import { packSlot } from './layout.ts'
import { learningRateAt } from './settings.ts'

export interface TrainInput extends BuffersInput {
  evaluation: Evaluation
  /** the artifact with these numbers, by slot */
  score: (numbers: readonly Float32Array[]) => Promise<Score>
  /** what training starts from, before the first step */
  baseline: Score
  /** state to go on from */
  state: State | null
  checkpoint: { path: string; fingerprint: string } | null
  /** whether training shall end with the best so far */
  isStopped: () => boolean
  now: () => number
  onSteps: (report: StepReport) => void
  onCheckpoint: (path: string, step: number) => void
}

export interface StepReport {
  step: number
  epoch: number
  loss: number
  learningRate: number
  samplesPerSecond: number
  secondsLeft: number
}

export type Ending = 'completed' | 'stopped' | 'no_improvement' | 'diverged'

export interface TrainResult {
  state: State
  ending: Ending
}

/** how often in a training the artifact is judged, at most and at least a few steps apart */
const JUDGED_TIMES = 16
const LEAST_BETWEEN = 10
/** judgements without a gain that end a training; a falling learning rate wins most at its end, so they are many */
const PATIENCE = 12
/** points of the loss curve */
const CURVE_POINTS = 200
/** milliseconds between reports, and between checkpoints */
const REPORT_MS = 1000
const CHECKPOINT_MS = 60_000
/** an epoch's end is saved when training took so many times as long as saving does */
const DEAR = 20

/** Runs to the end, a stop, or the moment from which nothing gets better. The same input gives the same numbers, interrupted or not. */
export async function train(input: TrainInput): Promise<TrainResult> {
  const state = input.state ?? initialState(input)
  const buffers = openBuffers(input, state)
  const watch = createWatch(input, state, buffers)
  const ending = await runSteps(input, state, buffers, watch)
  watch.settle()
  return { state, ending }
}

async function runSteps(input: TrainInput, state: State, buffers: Buffers, watch: Watch): Promise<Ending> {
  const { settings } = input
  const judgeEvery = Math.max(LEAST_BETWEEN, Math.ceil(settings.steps / JUDGED_TIMES))
  while (state.step < settings.steps) {
    if (input.isStopped()) return 'stopped'
    const learningRate = learningRateAt(state.step, settings)
    const loss = await buffers.run(state.step, learningRate)
    if (!Number.isFinite(loss)) return 'diverged'
    state.step++
    addToAverage(state.average, buffers.numbers(), state.step, settings.steps)
    addToCurve(state, loss, learningRate, Math.max(1, Math.ceil(settings.steps / CURVE_POINTS)))
    if (state.step % judgeEvery === 0 || state.step === settings.steps) {
      await judge(input, state, [buffers.numbers(), state.average])
      if (isHopeless(state)) return 'no_improvement'
    }
    watch.afterStep(loss, learningRate)
  }
  return 'completed'
}

/** What depends on the clock, and nothing else: reports and checkpoints. */
interface Watch {
  afterStep(loss: number, learningRate: number): void
  /** Brings the state up to date. */
  settle(): void
}

function createWatch(input: TrainInput, state: State, buffers: Buffers): Watch {
  const { now, checkpoint, settings } = input
  const before = { seconds: state.seconds, step: state.step, started: now() }
  const elapsed = () => (now() - before.started) / 1000
  let [reported, saved, cost] = [now(), now(), 0]
  const settle = () => {
    state.seconds = before.seconds + elapsed()
    buffers.read(state)
  }
  const save = ({ path, fingerprint }: NonNullable<TrainInput['checkpoint']>) => {
    const started = now()
    settle()
    writeCheckpoint(path, state, fingerprint)
    input.onCheckpoint(path, state.step)
    saved = now()
    cost = saved - started
  }
  const isDue = () => {
    const age = now() - saved
    const epochEnds = state.step % settings.stepsPerEpoch === 0
    return age > CHECKPOINT_MS || (epochEnds && age > Math.max(REPORT_MS, DEAR * cost))
  }
  return {
    settle,
    afterStep: (loss, learningRate) => {
      if (checkpoint && isDue()) save(checkpoint)
      if (now() - reported <= REPORT_MS && state.step < settings.steps) return
      reported = now()
      input.onSteps(
        reportOf(input, state, { loss, learningRate }, (state.step - before.step) / Math.max(elapsed(), 1e-6)),
      )
    },
  }
}

function initialState({ step }: TrainInput): State {
  const initial = step.slots.map((slot) => packSlot(slot, (parameter) => parameter.initial))
  return {
    step: 0,
    numbers: initial.map((numbers, i) => [
      numbers,
      ...step.state[i]!.now.slice(1).map(() => new Float32Array(numbers.length)),
    ]),
    average: initial.map((numbers) => numbers.slice()),
    best: null,
    curve: [],
    judged: [],
    pending: { sum: 0, count: 0 },
    seconds: 0,
  }
}

function addToCurve(state: State, loss: number, learningRate: number, every: number): void {
  state.pending = { sum: state.pending.sum + loss, count: state.pending.count + 1 }
  if (state.step % every !== 0) return
  state.curve.push({ step: state.step, loss: state.pending.sum / state.pending.count, learning_rate: learningRate })
  state.pending = { sum: 0, count: 0 }
}

/** The numbers as they are and on average; what stands in the report is the better of them. */
async function judge(input: TrainInput, state: State, candidates: readonly (readonly Float32Array[])[]): Promise<void> {
  const scores: Score[] = []
  for (const numbers of candidates) {
    const score = await input.score(numbers)
    scores.push(score)
    const best = state.best?.score ?? input.baseline
    if (isBetter(input.evaluation, score, best, input.baseline))
      state.best = { step: state.step, score, numbers: numbers.map((array) => array.slice()) }
  }
  state.judged.push({ step: state.step, ...scores.reduce((a, b) => (b.loss < a.loss ? b : a)) })
}

const isHopeless = ({ judged, best }: State): boolean =>
  judged.filter(({ step }) => step > (best?.step ?? 0)).length >= PATIENCE

const reportOf = (
  { settings, gatherer }: TrainInput,
  { step }: State,
  found: { loss: number; learningRate: number },
  stepsPerSecond: number,
): StepReport => ({
  ...found,
  step,
  epoch: Math.floor(step / settings.stepsPerEpoch),
  samplesPerSecond: stepsPerSecond * gatherer.size,
  secondsLeft: (settings.steps - step) / stepsPerSecond,
})
