/** A finished training in the words of the report. */
import type { Report, Warning } from '../../../contract/report.ts'
import type { Evaluation, Score } from './evaluate.ts'
import type { Settings } from './settings.ts'
import type { Start } from './start.ts'
import type { Step } from './step.ts'
import type { Ending, TrainResult } from './train.ts'

/** The figures; `baseline` is what training started from. */
export function describeTraining(
  { settings, gatherer, objective, training, method, need }: Start,
  evaluation: Evaluation,
  baseline: Score,
  { state, ending }: TrainResult,
): NonNullable<Report['training']> {
  const { best, seconds, step } = state
  return {
    loss: objective.name,
    optimizer: settings.optimizer,
    learning_rate: settings.learningRate,
    steps: step,
    total_steps: settings.steps,
    epochs: step / settings.stepsPerEpoch,
    batch_size: gatherer.size,
    samples: training.samples.count,
    held_out_samples: training.heldOut.count,
    learned_scales: method.learn_scales,
    memory_bytes: need.total,
    seconds,
    samples_per_second: (step * gatherer.size) / Math.max(seconds, 1e-6),
    ending,
    metric: evaluation.metric,
    float: evaluation.float,
    post_training: baseline,
    best: best && { step: best.step, ...best.score },
    kept: best ? 'trained' : 'post_training',
    curve: state.curve,
    judged: state.judged.filter(({ loss }) => Number.isFinite(loss)),
  }
}

/** The method with every "auto" resolved. */
export function optionsOf({ method, settings, objective, gatherer }: Start): Record<string, unknown> {
  return {
    ...method,
    loss: objective.name,
    optimizer: settings.optimizer,
    training: { steps: settings.steps, batch_size: gatherer.size, learning_rate: settings.learningRate },
  }
}

const ENDINGS: Partial<Record<Ending, { code: string; detail: string }>> = {
  stopped: { code: 'training_stopped', detail: 'training was stopped early; the artifact is the best one until then' },
  diverged: {
    code: 'training_diverged',
    detail: 'the loss became infinite; the artifact is the best one before that. A smaller learning rate may help.',
  },
}

/** What a user must not overlook. */
export function warningsOf(step: Step, { state, ending }: TrainResult, { steps }: Settings): Warning[] {
  const early = ENDINGS[ending]
  return [
    ...untrainedWarning(step),
    ...(early ? [{ ...early, detail: `${early.detail} (step ${state.step} of ${steps})` }] : []),
    ...(state.best ? [] : [NOT_BETTER]),
  ]
}

function untrainedWarning({ untrained }: Step): Warning[] {
  if (untrained.length === 0) return []
  const detail = `no gradient reaches ${untrained.length} weights and biases, for example "${untrained[0]}"; they stay as they were`
  return [{ code: 'partly_trained', detail }]
}

const NOT_BETTER: Warning = {
  code: 'training_not_better',
  detail:
    'no step of the training was clearly better on the held-out samples than the post-training quantization that it started from, which is therefore the result',
}
