/** What is settled before the first step: batch, student, loss, pace. */

import { type QatMethod, Training } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { Samples } from '../../data/samples.ts'
import type { Value } from '../../ir/graph.ts'
import { integerCount } from '../../quant/math.ts'
import type { ValueInfo } from '../../runtime/runtime.ts'
import type { MethodInput, TrainingInput } from '../method.ts'
import type { Built } from '../static/variant.ts'
import { type MemoryNeed, memoryNeed, requireMemory } from './memory.ts'
import { objectiveOf } from './objective.ts'
import { type Gatherer, openGatherer } from './samples.ts'
import { AUTO_BATCH, type Settings, settingsOf } from './settings.ts'
import { singleOutputs } from './single-outputs.ts'
import { findSites } from './sites.ts'
import { specialize } from './specialize.ts'
import { AS_BUILT, buildStudent, type ScaleMode, type Student, type Weights } from './student.ts'

interface StudentInput {
  input: MethodInput
  gatherer: Gatherer
  mode: ScaleMode
}

export interface Start extends StudentInput {
  training: TrainingInput
  method: QatMethod
  settings: Settings
  student: Student
  objective: ReturnType<typeof objectiveOf>
  need: MemoryNeed
  /** reads as many samples as the model itself takes in one run */
  runs: Gatherer
}

/** The largest batch that fits, unless the job says which, and all that follows from it. */
export async function prepareStart(
  input: MethodInput,
  training: TrainingInput,
  method: QatMethod,
  build: () => Built,
): Promise<Start> {
  const { recipe, prepared } = input
  const { samples, memoryBytes } = training
  const wishes = Training.parse(recipe.training ?? {})
  const mode = scaleMode(method, build())
  const isOpen = wishes.batch_size === 'auto'
  const first = wishes.batch_size === 'auto' ? AUTO_BATCH : wishes.batch_size
  for (let wished = Math.min(first, samples.count); ; wished = Math.floor(wished / 2)) {
    const { gatherer, student } = await batchOf({ input, mode }, samples, wished, build)
    const need = memoryNeed(student, method.optimizer === 'auto' ? 'adamw' : method.optimizer)
    const fits = memoryBytes === undefined || need.total <= memoryBytes
    if (!fits && isOpen && gatherer.size > 1 && gatherer.size === wished) continue
    requireMemory(need, memoryBytes, gatherer.size)
    const objective = objectiveFor({ input, training, student }, method)
    if (objective.name !== 'distillation') requireClasses(samples, floatOutputs(student)[0]!)
    const counts = { samples: samples.count, batch: gatherer.size, bits: fewestBits(student) }
    const settings = settingsOf(method, wishes, counts)
    const runs = openGatherer(samples.dataset, prepared.inputs, gatherer.size)
    return { input, training, method, settings, student, gatherer, objective, mode, runs, need }
  }
}

/** The loss that a method asks for, of this student on this data. */
export const objectiveFor = (
  { input, training, student }: Pick<Start, 'input' | 'training' | 'student'>,
  method: QatMethod,
): Start['objective'] =>
  objectiveOf({
    method,
    metric: input.recipe.evaluation?.metric ?? null,
    outputs: floatOutputs(student),
    hasClasses: hasClasses(training.samples),
  })

/** The student with batches of `wished` samples, also where the file fixes the number of samples, if its operators do not mind. */
async function batchOf(
  { input, mode }: Omit<StudentInput, 'gatherer'>,
  { dataset }: Samples,
  wished: number,
  build: () => Built,
): Promise<{ gatherer: Gatherer; student: Student }> {
  const { inputs, sharing } = input.prepared
  const own = openGatherer(dataset, inputs, wished)
  if (sharing !== 'none' && own.size < wished && inputs.every(({ shape }) => shape[0] === own.size)) {
    const gatherer = openGatherer(dataset, inputs.map(withoutBatch), wished)
    const student = await studentOf({ input, gatherer, mode }, build()).catch(() => null)
    const fits = student && floatOutputs(student).every(({ shape }) => shape?.[0] === gatherer.size)
    if (student && fits && gatherer.size === wished) return { gatherer, student }
  }
  return { gatherer: own, student: await studentOf({ input, gatherer: own, mode }, build()) }
}

const withoutBatch = (info: ValueInfo): ValueInfo => ({ ...info, shape: [null, ...info.shape.slice(1)] })

/** Throws dataset_labels_invalid for a label that is no class of the output. */
function requireClasses({ dataset, start, count }: Samples, { shape }: Value): void {
  const classes = Number(shape?.[1])
  for (let i = start; i < start + count; i++) {
    const label = dataset.labels!.value(i)
    if (Number.isInteger(label) && label >= 0 && label < classes) continue
    throw new FewbitError(
      'dataset_labels_invalid',
      `The training data has the label ${label}, and the model ${classes} classes.`,
      {
        param: '/training/dataset_id',
        hint: 'labels are numbers from 0; correct them, or train with the loss "distillation", which needs none',
      },
    )
  }
}

export async function studentOf(
  { input, gatherer, mode }: StudentInput,
  built: Built,
  from: Weights = AS_BUILT,
): Promise<Student> {
  const sites = findSites(built)
  await specialize(built.model, gatherer.feeds, input.runtime, input.workspace)
  singleOutputs(built.model)
  return buildStudent(built, sites, mode, from)
}

/** Of the weights; a power of two wastes a part of one. */
function fewestBits({ sites }: Student): number {
  const weights = sites.constants.flatMap(({ plan }) => (plan.role === 'weight' ? [plan] : []))
  return Math.min(16, ...weights.map((spec) => Math.log2(integerCount(spec)) - (spec.powerOfTwo ? 0.5 : 0)))
}

/** Where hardware has only certain shifts, the scales that fit them stay. */
const scaleMode = ({ learn_scales }: QatMethod, { plan }: Built): ScaleMode =>
  plan.shifts ? 'fixed' : learn_scales ? 'learned' : 'followed'

export const floatOutputs = ({ model }: Student) => model.graph.outputs.filter(({ dtype }) => dtype === 'float32')

export const hasClasses = ({ dataset: { labels } }: Samples): boolean =>
  labels !== undefined && /^u?int/.test(labels.dtype) && labels.shape.slice(1).every((dim) => dim === 1)
