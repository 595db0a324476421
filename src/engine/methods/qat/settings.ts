/** Every "auto" of a training, resolved from the model, the data and the memory. */

import type { QatMethod, Training } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import { stepsPerEpoch } from './samples.ts'

export interface Settings {
  steps: number
  stepsPerEpoch: number
  optimizer: 'sgd' | 'adamw'
  learningRate: number
  /** steps in which the learning rate rises */
  warmup: number
  schedule: QatMethod['schedule']
  weightDecay: number
  maxGradientNorm: number
  /** from this step on ranges no longer follow the data */
  freezeAt: number
}

export const AUTO_BATCH = 32
/** steps that are usual when nobody says how many */
const USUAL_STEPS = 800
const MOST_EPOCHS = 200
const SGD_RATE = 0.005
/** of weights with 4 bits, relative to each parameter's unit */
const ADAMW_RATE = 0.0005

/** The more bits, the less has to change: the rate halves with every two more than 4. */
const ratesFor = (bits: number) => ({
  sgd: SGD_RATE,
  adamw: ADAMW_RATE * 2 ** ((4 - Math.min(Math.max(bits, 4), 8)) / 2),
})

/** `samples` train, `batch` in one step; the weights that are coarsest have `bits`. */
export function settingsOf(
  method: QatMethod,
  training: Training,
  { samples, batch, bits }: { samples: number; batch: number; bits: number },
): Settings {
  const perEpoch = stepsPerEpoch(samples, batch)
  const steps = Math.max(1, stepsOf(training, perEpoch))
  const optimizer = method.optimizer === 'auto' ? 'adamw' : method.optimizer
  return {
    steps,
    stepsPerEpoch: perEpoch,
    optimizer,
    learningRate: training.learning_rate === 'auto' ? ratesFor(bits)[optimizer] : training.learning_rate,
    warmup: Math.round(method.warmup * steps),
    schedule: method.schedule,
    weightDecay: method.weight_decay,
    maxGradientNorm: method.max_gradient_norm,
    freezeAt: Math.round(method.freeze_observers * steps),
  }
}

function stepsOf({ steps, epochs }: Training, perEpoch: number): number {
  if (steps !== undefined && epochs !== undefined) {
    throw new FewbitError('invalid_request', 'A training has a number of steps or of epochs, not both.', {
      param: '/training',
    })
  }
  if (steps !== undefined) return steps
  if (epochs !== undefined) return Math.round(epochs * perEpoch)
  return Math.min(MOST_EPOCHS, Math.max(1, Math.round(USUAL_STEPS / perEpoch))) * perEpoch
}

/** The learning rate of a step, counted from 0: rises linearly, then stays or falls along half a cosine to 0. */
export function learningRateAt(step: number, { steps, warmup, schedule, learningRate }: Settings): number {
  if (step < warmup) return (learningRate * (step + 1)) / warmup
  if (schedule === 'constant') return learningRate
  const part = (step - warmup) / Math.max(1, steps - warmup)
  return (learningRate * (1 + Math.cos(Math.PI * part))) / 2
}
