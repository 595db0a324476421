/** The training loop: one run of the step per batch, two sets of buffers that take turns, judged and saved from time to time. */
import { existsSync } from 'node:fs'
import { elementCount } from '../ir/tensor.ts'
import type { RunTensor, Session } from '../runtime/runner.ts'
import { type State, writeCheckpoint } from './checkpoint.ts'
import { type Evaluation, isBetter, type Score } from './evaluate.ts'
import { packSlot } from './layout.ts'
import { OPTIMIZERS } from './optimizers.ts'
import type { Gatherer } from './samples.ts'
import { learningRateAt, type Settings } from './settings.ts'
import type { Step } from './step.ts'
import type { Teacher } from './teacher.ts'

export interface TrainInput {
  step: Step
  session: Session
  settings: Settings
  gatherer: Gatherer
  order: (step: number) => number[]
  teacher: Teacher
  /** class of a sample */
  classOf: ((index: number) => number) | null
  evaluation: Evaluation
  /** the artifact with these numbers, by slot */
  score: (numbers: readonly Float32Array[]) => Promise<Score>
  /** what training starts from, before the first step */
  baseline: Score
  /** state to go on from */
  state: State | null
  checkpoint: { path: string; fingerprint: string } | null
  /** a file that ends training when it appears */
  stopFile: string
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

/** weight of a batch in the ranges that follow the data */
const FOLLOW = 0.01

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
    if (existsSync(input.stopFile)) return 'stopped'
    const learningRate = learningRateAt(state.step, settings)
    const loss = await buffers.run(state.step, learningRate)
    if (!Number.isFinite(loss)) return 'diverged'
    state.step++
    addToCurve(state, loss, learningRate, Math.max(1, Math.ceil(settings.steps / CURVE_POINTS)))
    if (state.step % judgeEvery === 0 || state.step === settings.steps) {
      await judge(input, state, buffers.numbers())
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
  return {
    step: 0,
    numbers: step.slots.map((slot, i) => {
      const numbers = packSlot(slot, ({ initial }) => initial)
      const moments = step.state[i]!.now.slice(1).map(() => new Float32Array(numbers.length))
      return [numbers, ...moments]
    }),
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

async function judge(input: TrainInput, state: State, numbers: readonly Float32Array[]): Promise<void> {
  const score = await input.score(numbers)
  state.judged.push({ step: state.step, ...score })
  const best = state.best?.score ?? input.baseline
  if (isBetter(input.evaluation, score, best, input.baseline))
    state.best = { step: state.step, score, numbers: numbers.map((array) => array.slice()) }
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

interface Buffers {
  /** Does one step and returns its loss. */
  run(step: number, learningRate: number): Promise<number>
  /** the numbers of every slot as they are now, not copied */
  numbers(): Float32Array[]
  /** Copies everything into the state. */
  read(state: State): void
}

const tensor = (dims: readonly number[], data = new Float32Array(elementCount(dims))): RunTensor => ({
  dtype: 'float32',
  dims,
  data,
})

/** Everything that a step reads and writes, made once. */
function openBuffers(input: TrainInput, state: State): Buffers {
  const { step, settings, gatherer } = input
  const sets = [0, 1].map((which) =>
    step.slots.map(({ dims }, i) =>
      state.numbers[i]!.map((array) => tensor(dims, which === 0 ? array.slice() : undefined)),
    ),
  ) as [RunTensor[][], RunTensor[][]]
  const scalars = new Map(
    [step.rate, step.decay, step.follow].flatMap((name) => (name ? [[name, tensor([])] as const] : [])),
  )
  const teachers = new Map([...step.teachers].map(([output, { dims }]) => [output, tensor(dims)] as const))
  const targets = step.targets && tensor(step.targets.dims)
  const loss = tensor([])
  const fixed: Record<string, RunTensor> = {
    ...gatherer.feeds,
    ...Object.fromEntries(scalars),
    ...Object.fromEntries([...step.teachers].map(([output, { name }]) => [name, teachers.get(output)!])),
    ...(step.targets && targets && { [step.targets.name]: targets }),
  }
  const named = (names: 'now' | 'next', set: RunTensor[][]) =>
    Object.fromEntries(step.state.flatMap((state, i) => state[names].map((name, j) => [name, set[i]![j]!] as const)))
  const runs = [0, 1].map((which) => ({
    feeds: { ...fixed, ...named('now', sets[which as 0 | 1]) },
    results: { [step.loss]: loss, ...named('next', sets[(1 - which) as 0 | 1]) },
  }))
  let current = 0
  const set = (name: string | null, value: number) => {
    if (name) scalars.get(name)!.data[0] = value
  }
  return {
    run: async (at, learningRate) => {
      const indices = input.order(at)
      gatherer.fill(indices)
      await input.teacher.teach(indices, teachers)
      if (targets) oneHot(targets, indices, input.classOf!)
      set(step.rate, OPTIMIZERS[settings.optimizer].rate(learningRate, at + 1))
      set(step.decay, learningRate * settings.weightDecay)
      set(step.follow, at < settings.freezeAt ? FOLLOW : 0)
      await input.session.runInto(runs[current]!.feeds, runs[current]!.results)
      current = 1 - current
      return Number(loss.data[0])
    },
    numbers: () => sets[current as 0 | 1].map(([numbers]) => numbers!.data as Float32Array),
    read: (state) => {
      state.numbers = sets[current as 0 | 1].map((arrays) => arrays.map(({ data }) => (data as Float32Array).slice()))
    },
  }
}

function oneHot({ dims, data }: RunTensor, indices: readonly number[], classOf: (index: number) => number): void {
  const classes = dims.at(-1)!
  ;(data as Float32Array).fill(0)
  indices.forEach((index, row) => {
    const label = classOf(index)
    if (label >= 0 && label < classes) data[row * classes + label] = 1
  })
}
