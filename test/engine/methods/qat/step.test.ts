/** A whole step: its gradients against finite differences, its optimizers against the same arithmetic in numbers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomSource } from '../../../../src/engine/data/synthetic.ts'
import { elementCount } from '../../../../src/engine/ir/tensor.ts'
import { packSlot } from '../../../../src/engine/methods/qat/layout.ts'
import type { LossTerm } from '../../../../src/engine/methods/qat/losses.ts'
import { buildStep, type Step, type StepOptions } from '../../../../src/engine/methods/qat/step.ts'
import type { RunTensor } from '../../../../src/engine/runtime/runtime.ts'
import { convNet, IMAGE } from '../../../kit/model.ts'
import { type OpenStudent, withStudent } from '../../../kit/student.ts'

/** so fine that rounding hardly bends the loss */
const FINE = {
  id: 'fine',
  activation: { dtype: 'uint16', symmetric: false },
  weight: { dtype: 'int16', symmetric: true, granularity: 'channel' },
}
const BATCH = 8

const TERMS: Record<string, LossTerm> = {
  divergence: { output: 'y', weight: 1, kind: 'divergence', temperature: 2 },
  squared_error: { output: 'y', weight: 1, kind: 'squared_error' },
  cross_entropy: { output: 'y', weight: 1, kind: 'cross_entropy' },
}

type Numbers = Float32Array[]
interface Opened {
  step: Step
  /** loss and everything that comes out, for these numbers and moments of every slot */
  run(numbers: Numbers, moments: Numbers[], rate: number): Promise<Record<string, RunTensor>>
  initial: Numbers
}

async function open(
  { student, runtime, workspace, gatherer }: OpenStudent,
  options: Partial<StepOptions>,
): Promise<Opened> {
  const step = buildStep(student, {
    terms: [TERMS.divergence!],
    optimizer: 'sgd',
    maxGradientNorm: 1e9,
    decays: false,
    ...options,
  })
  const session = await runtime.load(workspace.save('step.onnx', step.model), {
    optimization: 'all',
    floatRounding: true,
  })
  const random = randomSource(9)
  const tensor = (dims: readonly number[], data: Float32Array): RunTensor => ({ dtype: 'float32', dims, data })
  const filled = (dims: readonly number[]) => tensor(dims, Float32Array.from({ length: elementCount(dims) }, random))
  const extra = Object.fromEntries(
    [...step.teachers.values(), ...(step.targets ? [step.targets] : [])].map(({ name, dims }) => [name, filled(dims)]),
  )
  return {
    step,
    initial: step.slots.map((slot) => packSlot(slot, ({ initial }) => initial)),
    run: (numbers, moments, rate) => {
      const state = step.state.flatMap(({ now }, i) =>
        [numbers[i]!, ...moments[i]!].map((data, j) => [now[j]!, tensor(step.slots[i]!.dims, data)] as const),
      )
      return session.run({
        ...gatherer.feeds,
        ...extra,
        ...Object.fromEntries(state),
        [step.rate]: tensor([], Float32Array.of(rate)),
      })
    },
  }
}

const zeros = (numbers: Numbers, count: number): Numbers[] =>
  numbers.map((array) => Array.from({ length: count }, () => new Float32Array(array.length)))
const moved = (numbers: Numbers, by: Numbers, far: number): Numbers =>
  numbers.map((array, i) => array.map((x, j) => x + far * by[i]![j]!))

describe('a step', () => {
  for (const [name, term] of Object.entries(TERMS)) {
    test(`gradient of the ${name} along random directions`, () =>
      withStudent(
        { model: convNet({ width: 6 }), shape: IMAGE, target: FINE, mode: 'learned', batch: BATCH },
        async (opened) => {
          const { step, run, initial } = await open(opened, { terms: [term] })
          const start = moved(initial, directionOf(step, 1), 0.2)
          const results = await run(start, zeros(start, 1), 0)
          const gradients = step.state.map(({ next }) => results[next[1]!]!.data as Float32Array)
          for (const seed of [2, 3, 4]) {
            const direction = along(gradients, directionOf(step, seed))
            const slope = gradients.reduce((sum, gradient, i) => sum + dot(gradient, direction[i]!), 0)
            const at = async (far: number) =>
              Number((await run(moved(start, direction, far), zeros(start, 1), 0))[step.loss]!.data[0])
            const found = ((await at(0.1)) - (await at(-0.1))) / 0.2
            assert.ok(Math.abs(found - slope) < 0.03 * Math.abs(found), `${slope} instead of ${found}`)
          }
        },
      ))
  }

  test('AdamW moves every number by its unit and the rate, against the sign of its gradient', () =>
    withStudent(
      { model: convNet({ width: 6 }), shape: IMAGE, target: 'cpu-int8', mode: 'learned', batch: BATCH },
      async (opened) => {
        const { step, run, initial } = await open(opened, { optimizer: 'adamw', maxGradientNorm: 1e-3 })
        const results = await run(initial, zeros(initial, 2), 0.01)
        let length = 0
        step.slots.forEach((slot, i) => {
          const [next, first, second] = step.state[i]!.next.map((name) => results[name]!.data as Float32Array)
          const units = packSlot(slot, ({ unit, axis, shape, initial: numbers }) => {
            const inner = axis === null ? 1 : elementCount(shape.slice(axis + 1))
            return numbers.map((_, j) => unit[axis === null ? 0 : Math.floor(j / inner) % unit.length]!)
          })
          initial[i]!.forEach((before, j) => {
            const gradient = first![j]! / 0.1
            length += gradient ** 2
            assert.ok(Math.abs(second![j]! - 0.001 * gradient ** 2) <= 1e-3 * second![j]! + 1e-20)
            const expected = before - (0.01 * units[j]! * first![j]!) / (Math.sqrt(second![j]!) + 1e-8)
            assert.ok(
              Math.abs(next![j]! - expected) <= 1e-5 * (Math.abs(expected) + units[j]!),
              `${next![j]} instead of ${expected}`,
            )
          })
        })
        assert.ok(
          Math.abs(Math.sqrt(length) - 1e-3) < 1e-6,
          `gradients are shortened to their limit, not ${Math.sqrt(length)}`,
        )
      },
    ))

  test('momentum is kept, and only weights decay', () =>
    withStudent(
      { model: convNet({ width: 6 }), shape: IMAGE, target: 'cpu-int8', mode: 'learned', batch: BATCH },
      async (opened) => {
        const { step, run, initial } = await open(opened, {})
        const once = await run(initial, zeros(initial, 1), 0)
        const moments = step.state.map(({ next }) => [once[next[1]!]!.data as Float32Array])
        const twice = await run(initial, moments, 0.1)
        step.state.forEach(({ next }, i) => {
          const velocity = twice[next[1]!]!.data as Float32Array
          const numbers = twice[next[0]!]!.data as Float32Array
          velocity.forEach((v, j) => {
            const expected = 1.9 * moments[i]![0]![j]!
            assert.ok(Math.abs(v - expected) <= 1e-4 * Math.abs(expected) + 1e-7)
            assert.ok(Math.abs(numbers[j]! - (initial[i]![j]! - 0.1 * v)) < 1e-5 * (1 + Math.abs(numbers[j]!)))
          })
        })
      },
    ))
})

/** Weights and biases only: the loss has steps along scales. */
function directionOf(step: Step, seed: number): Numbers {
  const random = randomSource(seed)
  return step.slots.map((slot) =>
    packSlot(slot, ({ kind, initial }) => initial.map(() => (kind === 'scale' ? 0 : (random() - 0.5) * 0.2))),
  )
}

/** Uphill, so that the slope stands out of the rounding, but not straight; at most 0.1 for any number. */
function along(gradients: Numbers, random: Numbers): Numbers {
  const raw = gradients.map((gradient, i) => gradient.map((g, j) => g * 10 * Math.abs(random[i]![j]!)))
  const largest = Math.max(...raw.map((array) => array.reduce((a, b) => Math.max(a, Math.abs(b)), 0)))
  return raw.map((array) => array.map((x) => (0.1 * x) / largest))
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
