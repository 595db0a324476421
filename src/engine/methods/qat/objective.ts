/** Which loss fits a model and its data. */

import type { MetricName, QatMethod } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { Value } from '../../ir/graph.ts'
import { isProbability, type LossTerm } from './losses.ts'

export interface ObjectiveInput {
  method: QatMethod
  /** what the job is judged by, when it says so */
  metric: MetricName | null
  /** float outputs of the student, in order */
  outputs: readonly Value[]
  /** the labels are one class per sample */
  hasClasses: boolean
}

/** how much outputs beside the first count in a model that classifies */
const BESIDE = 0.1
const CLASSIFYING: readonly (MetricName | null)[] = ['top1', 'top5', 'agreement']

/** The terms of the loss, and the name of what was chosen. Throws dataset_labels_invalid where labels are asked for that are not there. */
export function objectiveOf(input: ObjectiveInput): { name: Exclude<QatMethod['loss'], 'auto'>; terms: LossTerm[] } {
  const { method, outputs, hasClasses } = input
  const [first, ...others] = outputs
  if (!first)
    throw new FewbitError('not_differentiable', 'the model has no float32 output whose error could be reduced')
  const labelled = hasClasses && isClassification(first)
  const name = method.loss === 'auto' ? (labelled ? 'blend' : 'distillation') : method.loss
  if (name !== 'distillation' && !labelled) throw labelsNeeded(name)
  const share = name === 'distillation' ? 0 : name === 'cross_entropy' ? 1 : method.label_weight
  const about = (output: Value, weight: number) => distillation(input, output, weight, labelled)
  const beside = labelled || share > 0 || classifies(input, first) ? BESIDE : 1
  return {
    name,
    terms: [
      ...(share > 0 ? [{ output: first.name, weight: share, kind: 'cross_entropy' } as const] : []),
      ...(share < 1 ? about(first, 1 - share) : []),
      ...others
        .flatMap((output) => about(output, ((1 - share) * beside) / others.length))
        .filter(({ weight }) => weight > 0),
    ],
  }
}

const isClassification = ({ shape }: Value): boolean => shape?.length === 2 && Number(shape[1]) > 1

/** Probabilities, or scores of classes: only their order and their differences matter. */
const classifies = ({ metric }: ObjectiveInput, output: Value): boolean =>
  isProbability(output) || (isClassification(output) && CLASSIFYING.includes(metric))

/** A vector per sample that nobody calls classes may be scores or features: both distances count. */
function distillation(input: ObjectiveInput, output: Value, weight: number, labelled: boolean): LossTerm[] {
  const divergence: LossTerm = {
    output: output.name,
    weight,
    kind: 'divergence',
    temperature: input.method.temperature,
  }
  const distance: LossTerm = { output: output.name, weight, kind: 'squared_error' }
  if ((labelled && output === input.outputs[0]) || classifies(input, output)) return [divergence]
  const ambiguous = isClassification(output) && output === input.outputs[0] && input.metric === null
  return ambiguous ? [divergence, distance] : [distance]
}

const labelsNeeded = (name: string) =>
  new FewbitError(
    'dataset_labels_invalid',
    `The loss "${name}" needs one class per sample, and a model whose first output has one score per class.`,
    {
      param: '/method/loss',
      hint: 'add an array "labels" of shape [samples] to the training data, or use the loss "distillation"',
    },
  )
