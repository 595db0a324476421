/** Trains a static quantization: from the best variant of post-training quantization to the best artifact that held-out samples know of. */

import type { QatMethod } from '../../../contract/recipe.ts'
import type { Report, Warning } from '../../../contract/report.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { Samples } from '../../data/samples.ts'
import { cloneModel } from '../../ir/clone.ts'
import type { Model, Value } from '../../ir/graph.ts'
import type { Label } from '../../verify/metrics/metric.ts'
import type { MethodInput, TrainingInput } from '../method.ts'
import { type Built, buildVariant, type Variant, type VariantInput } from '../static/variant.ts'
import { writeTrained } from './artifact.ts'
import { blockEnds, divideIntoBlocks } from './blocks.ts'
import { readCheckpoint } from './checkpoint.ts'
import { describeTraining, optionsOf, warningsOf } from './describe.ts'
import { type Evaluation, openEvaluation, type Score } from './evaluate.ts'
import { fingerprintOf } from './fingerprint.ts'
import { unpackSlots } from './layout.ts'
import { isProbability, type LossTerm } from './losses.ts'
import { createOrder } from './samples.ts'
import { searchScales } from './scales.ts'
import { findSites, weightsByKey } from './sites.ts'
import { floatOutputs, hasClasses, objectiveFor, prepareStart, type Start, studentOf } from './start.ts'
import { buildStep, type Step } from './step.ts'
import type { Student } from './student.ts'
import { AS_BUILT } from './student.ts'
import { openTeacher } from './teacher.ts'
import { type TrainResult, train } from './train.ts'

export interface Trained {
  built: Built
  report: NonNullable<Report['training']>
  options: Record<string, unknown>
  warnings: Warning[]
}

export interface TrainOptions {
  /** every block learns what it gives in the float model, instead of all together what the outputs are */
  blockwise?: boolean
}

/** Trains `variant`. The result is never worse than it on the held-out samples. Throws not_differentiable, out_of_memory, training_failed. */
export async function trainVariant(
  input: MethodInput,
  training: TrainingInput,
  method: QatMethod,
  common: VariantInput,
  variant: Variant,
  { blockwise = false }: TrainOptions = {},
): Promise<Trained> {
  const build = (of: Variant) => buildVariant(common, of)
  const { start, evaluation } = await chooseLoss(await prepareStart(input, training, method, () => build(variant)))
  const baseline = await evaluation.score(build(variant).model)
  const from = await chooseStart(start, evaluation, baseline, variant, build)
  const { unrounded: base } = from.variant.base
  const unrounded = base ? weightsByKey(build({ ...from.variant, base })) : AS_BUILT.unrounded
  const isAsBuilt = !from.searched && unrounded.size === 0
  const student = isAsBuilt
    ? start.student
    : await studentOf(start, build(from.variant), { searched: from.searched, unrounded })
  const kinds = new Map(student.parameters.map(({ key, kind }) => [key, kind]))
  const { settings, objective, mode } = start
  const { terms, teacher } = blockwise
    ? blockLoss(start, student, (variant.base.unrounded ?? variant.base).model)
    : { terms: objective.terms, teacher: input.prepared.floatPath }
  const step = buildStep(student, {
    terms,
    optimizer: settings.optimizer,
    maxGradientNorm: settings.maxGradientNorm,
    decays: settings.weightDecay > 0,
  })
  const artifact = (numbers: readonly Float32Array[]): Built =>
    writeTrained(build(from.variant), {
      numbers: unpackSlots(step.slots, numbers),
      kinds,
      fixedScales: mode === 'fixed',
    })
  const score = (numbers: readonly Float32Array[]) => evaluation.score(artifact(numbers).model)
  const result = await run({ start, step, teacher, evaluation, baseline, score })
  if (blockwise && !isClear(result, baseline, training.heldOut.count)) result.state.best = null
  const { best } = result.state
  return {
    built: best ? artifact(best.numbers) : build(variant),
    report: {
      ...describeTraining(start, evaluation, baseline, result),
      ...(blockwise && { loss: 'block_reconstruction' }),
    },
    options: optionsOf(start),
    warnings: warningsOf(step, result, settings),
  }
}

/** Whether the best artifact won more than few samples may win by chance; calibration data is little, and nobody asked for a gamble. */
function isClear({ state: { best } }: TrainResult, baseline: Score, samples: number): boolean {
  return best !== null && best.score.loss < baseline.loss * (1 - 2 / Math.sqrt(samples))
}

/** share of the held-out training data that the float model gets right, from which on its labels teach nothing */
const KNOWN_BY_HEART = 0.95

/** Labels help where the float model errs. Data that it was trained on until it erred no more would only pull the artifact away from it. */
async function chooseLoss(start: Start): Promise<{ start: Start; evaluation: Evaluation }> {
  const evaluation = await openEvaluationOf(start)
  const { isLabelled, isError, float } = evaluation
  const isKnown = isLabelled && !isError && (float.metric ?? 0) >= KNOWN_BY_HEART
  if (start.method.loss !== 'auto' || start.objective.name === 'distillation' || !isKnown) return { start, evaluation }
  const distilled = { ...start, objective: objectiveFor(start, { ...start.method, loss: 'distillation' }) }
  return { start: distilled, evaluation: await openEvaluationOf(distilled) }
}

interface From {
  variant: Variant
  /** weight scales are those with the smallest squared error */
  searched: boolean
}

/** With few bits, scales that cut off the largest weights may be the better start; the biases were corrected for other scales. */
async function chooseStart(
  { mode }: Start,
  evaluation: Evaluation,
  baseline: Score,
  variant: Variant,
  build: (variant: Variant) => Built,
): Promise<From> {
  const plain: From = { variant, searched: false }
  if (mode !== 'learned') return plain
  let [best, loss] = [plain, baseline.loss]
  const base = variant.base.unrounded ?? variant.base
  for (const biasCorrection of new Set([variant.biasCorrection, false])) {
    const candidate = { variant: { ...variant, base, biasCorrection }, searched: true }
    const built = build(candidate.variant)
    if (!writeSearchedScales(built)) return plain
    const score = await evaluation.score(built.model)
    if (score.loss < loss) [best, loss] = [candidate, score.loss]
  }
  return best
}

/** Whether any scale changed. */
function writeSearchedScales(built: Built): boolean {
  const searched = findSites(built).constants.flatMap((site) => {
    const scales = searchScales(site)
    return scales === site.scales ? [] : [[`${site.key} scale`, scales] as const]
  })
  if (searched.length === 0) return false
  writeTrained(built, { numbers: new Map(searched), kinds: new Map(), fixedScales: true })
  return true
}

function labelOf({ dataset: { labels } }: Samples): ((index: number) => Label) | null {
  if (!labels) return null
  const width = labels.shape.slice(1).reduce((a, b) => a * b, 1)
  return (index) => Array.from({ length: width }, (_, j) => labels.value(index * width + j))
}

function openEvaluationOf({ input, training, runs, student, objective }: Start): Promise<Evaluation> {
  const { runtime, workspace, prepared, recipe } = input
  const { start, count } = training.heldOut
  const label = labelOf(training.heldOut)
  return openEvaluation({
    runtime,
    workspace,
    floatPath: prepared.floatPath,
    gatherer: runs,
    indices: Array.from({ length: count }, (_, i) => start + i),
    labelsOf: (indices) => label && indices.map(label),
    terms: objective.terms,
    probabilities: new Set(
      floatOutputs(student)
        .filter(isProbability)
        .map(({ name }) => name),
    ),
    target: input.target,
    wordSeparator: recipe.evaluation?.word_separator ?? null,
    metric: recipe.evaluation?.metric ?? (hasClasses(training.heldOut) ? 'top1' : 'agreement'),
  })
}

/** Every block's loss, and the file of a float model that shows the ends of the blocks. */
function blockLoss({ input }: Start, student: Student, float: Model): { terms: LossTerm[]; teacher: string } {
  const { terms, ends } = divideIntoBlocks(student, blockEnds(float.graph))
  const shown = cloneModel(float)
  const wanted = new Set(ends)
  for (const { outputs } of shown.graph.nodes)
    shown.graph.outputs.push(...outputs.filter((value): value is Value => value !== null && wanted.has(value.name)))
  return { terms, teacher: input.workspace.save('teacher.onnx', shown) }
}

interface Run {
  start: Start
  step: Step
  /** file of the float model that teaches */
  teacher: string
  evaluation: Evaluation
  baseline: Score
  score: (numbers: readonly Float32Array[]) => Promise<Score>
}

async function run({ start, step, teacher: teacherPath, evaluation, baseline, score }: Run): Promise<TrainResult> {
  const { input, training, settings, gatherer, runs } = start
  const { runtime, workspace, prepared, recipe } = input
  const { samples, checkpoint, emit } = training
  input.progress('training', 0, settings.steps)
  const session = await runtime.load(workspace.save('step.onnx', step.model), {
    optimization: 'all',
    floatRounding: true,
  })
  const epochs = settings.steps / settings.stepsPerEpoch
  const teacher = await openTeacher({
    session: await runtime.load(teacherPath, { optimization: 'all' }),
    gatherer: runs,
    outputs: new Map([...step.teachers].map(([output, { dims }]) => [output, dims])),
    batch: gatherer.size,
    repeated: epochs > 1 ? Array.from({ length: samples.count }, (_, i) => samples.start + i) : null,
  })
  const fingerprint = fingerprintOf(prepared.floatPath, recipe, samples.count, runtime.version, runtime.threads)
  const label = labelOf(samples)
  const result = await train({
    step,
    session,
    settings,
    gatherer,
    order: createOrder(samples, gatherer.size, recipe.seed),
    teacher,
    classOf: label && ((index) => label(index)[0]!),
    evaluation,
    score,
    baseline,
    state: checkpoint ? readCheckpoint(checkpoint, fingerprint) : null,
    checkpoint: checkpoint ? { path: checkpoint, fingerprint } : null,
    isStopped: input.isStopped,
    now: input.now,
    onSteps: (report) => {
      input.progress('training', report.step, settings.steps)
      emit({
        type: 'training',
        step: report.step,
        total_steps: settings.steps,
        epoch: report.epoch,
        loss: report.loss,
        learning_rate: report.learningRate,
        samples_per_second: report.samplesPerSecond,
        seconds_left: report.secondsLeft,
      })
    },
    onCheckpoint: (path, done) => emit({ type: 'checkpoint', path, step: done }),
  })
  await session.release()
  await teacher.release()
  return result
}

/** Throws dataset_required. */
export function requireTraining(training: TrainingInput | null): TrainingInput {
  if (training) return training
  throw new FewbitError('dataset_required', 'Quantization-aware training needs data to train on.', {
    param: '/training/dataset_id',
    hint: 'upload an .npz data set; labels are not needed, because the float model itself can teach',
  })
}
