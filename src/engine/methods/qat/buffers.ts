/** The memory of a training: two sets of everything that a step reads and writes, which take turns. */
import { elementCount } from '../../ir/tensor.ts'
import type { RunTensor, Session } from '../../runtime/runtime.ts'
import type { State } from './checkpoint.ts'
import { OPTIMIZERS } from './optimizers.ts'
import type { Gatherer } from './samples.ts'
import type { Settings } from './settings.ts'
import type { Step } from './step.ts'
import type { Teacher } from './teacher.ts'

export interface BuffersInput {
  step: Step
  session: Session
  settings: Settings
  gatherer: Gatherer
  order: (step: number) => number[]
  teacher: Teacher
  /** class of a sample */
  classOf: ((index: number) => number) | null
}

/** weight of a batch in the ranges that follow the data */
const FOLLOW = 0.01

export interface Buffers {
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
export function openBuffers(input: BuffersInput, state: State): Buffers {
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
