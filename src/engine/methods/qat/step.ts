/** One training step as an ordinary ONNX graph: forward under quantization, loss, backward, optimizer. */
import { FewbitError } from '../../../shared/errors.ts'
import { differentiate, undifferentiable } from '../../autodiff/differentiate.ts'
import { addInitializer, addNode, int } from '../../ir/build.ts'
import type { Model, Node, Value } from '../../ir/graph.ts'
import { float32, int64 } from '../../ir/tensor.ts'
import { removeUnused } from '../../passes/remove-unused.ts'
import { addInput, feedSlot, gradientOf, layoutOf, type Slot } from './layout.ts'
import { addLoss, type LossTerm } from './losses.ts'
import { OPTIMIZERS } from './optimizers.ts'
import type { Parameter } from './parameter.ts'
import { constantOf, emit, lowerPseudoOperators, PSEUDO_GRADIENTS, reduce, type Site } from './pseudo.ts'
import type { Student } from './student.ts'

export interface StepOptions {
  terms: readonly LossTerm[]
  optimizer: keyof typeof OPTIMIZERS
  maxGradientNorm: number
  decays: boolean
}

/** Names of what goes in and comes out besides the data. */
export interface Step {
  model: Model
  slots: Slot[]
  /** weights and biases that no gradient reaches, by key */
  untrained: string[]
  /** inputs by the output of the float model that they take */
  teachers: ReadonlyMap<string, { name: string; dims: readonly number[] }>
  targets: { name: string; dims: readonly number[] } | null
  loss: string
  rate: string
  decay: string | null
  /** scalar input: how fast ranges follow; null without such */
  follow: string | null
  /** by slot: what is fed and what comes out, the numbers first and then their moments */
  state: { now: string[]; next: string[] }[]
}

/** from this operator set on all that the backward pass emits exists */
const OPSET = 17
const OLDEST = 13

/** Turns a student into a step. Throws not_differentiable. */
export function buildStep(student: Student, options: StepOptions): Step {
  const { model, parameters } = student
  raise(model)
  const loss = addLoss(model, options.terms)
  const trained = parameters.filter(({ kind }) => kind !== 'range')
  const barred = behindBarriers(model, loss.value, trained)
  const wanted = trained.filter((parameter) => !barred.has(parameter.value)).map(({ value }) => value)
  const gradients = differentiate(model.graph, loss.value, wanted, PSEUDO_GRADIENTS)
  const changes = ({ kind, value }: Parameter) => kind === 'range' || gradients.has(value)
  const slots = layoutOf(parameters.filter(changes))
  for (const parameter of parameters) if (!changes(parameter)) keepConstant(model, parameter)
  if (!slots.some(({ optimized }) => optimized)) throw nothingToTrain()
  const site: Site = { model, graph: model.graph }
  const rate = addInput(model, 'rate', [])
  const decay = options.decays ? addInput(model, 'decay', []) : null
  const found = slots.map((slot) => (slot.optimized ? gradientOf(model, slot, gradients) : null))
  const shorten = shortening(
    site,
    found.filter((gradient) => gradient !== null),
    options.maxGradientNorm,
  )
  const follow = slots.some(({ optimized }) => !optimized) ? addInput(model, 'follow', []) : null
  model.graph.outputs.splice(0, model.graph.outputs.length, loss.value)
  const state = slots.map((slot, i) => {
    const now = feedSlot(model, slot)
    const gradient = found[i]
    if (!gradient) return followRanges(site, student, slot, now, follow!)
    const optimizer = OPTIMIZERS[options.optimizer]
    const moments = Array.from({ length: optimizer.moments }, (_, j) =>
      addInput(model, `${slot.name}_moment_${j}`, slot.dims),
    )
    const next = optimizer.update({ site, slot, now, moments, gradient, shorten, rate, decay })
    return output(model, slot, [now, ...moments], [next.next, ...next.moments])
  })
  lowerPseudoOperators(model)
  removeUnused.run(model)
  return {
    model,
    slots,
    untrained: parameters.filter((parameter) => !changes(parameter) && isOwn(parameter)).map(({ key }) => key),
    teachers: new Map([...loss.teachers].map(([name, value]) => [name, described(value)])),
    targets: loss.targets && described(loss.targets),
    loss: loss.value.name,
    rate: rate.name,
    decay: decay?.name ?? null,
    follow: follow?.name ?? null,
    state,
  }
}

const isOwn = ({ kind }: Parameter): boolean => kind === 'weight' || kind === 'bias'

/** Parameters whose way to the loss goes through a node without a gradient; all of them when that leaves none, so that the error says why. */
function behindBarriers({ graph }: Model, loss: Value, trained: readonly Parameter[]): Set<Value> {
  const values = trained.map(({ value }) => value)
  const stack: Node[] = undifferentiable(graph, [loss], values, PSEUDO_GRADIENTS)
  const seen = new Set<Node>(stack)
  const barred = new Set<Value>()
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const value of node.inputs) {
      if (value) barred.add(value)
      if (!value?.producer || seen.has(value.producer)) continue
      seen.add(value.producer)
      stack.push(value.producer)
    }
  }
  return values.every((value) => barred.has(value)) ? new Set() : barred
}

function keepConstant({ graph }: Model, { value, shape, initial }: Parameter): void {
  value.tensor = float32(shape, initial)
  graph.addInitializer(value)
}

const described = ({ name, shape }: Value) => ({ name, dims: (shape ?? []) as number[] })

/** Between the two operator sets nothing changed but what operators can do besides. */
function raise({ opsets }: Model): void {
  const opset = opsets.get('') ?? 0
  if (opset < OLDEST) {
    throw new FewbitError(
      'not_differentiable',
      `the model stays at operator set ${opset}, and training needs ${OLDEST}`,
      {
        hint: 'export the model with operator set 13 or newer',
      },
    )
  }
  opsets.set('', Math.max(opset, OPSET))
}

const nothingToTrain = () =>
  new FewbitError('not_differentiable', 'no weight of the model reaches the outputs through float operators', {
    hint: 'use the method static, which trains nothing',
  })

/** min(1, largest ÷ length of all gradients together) */
function shortening(site: Site, gradients: readonly Value[], largest: number): Value {
  const squares = gradients.map((gradient) => reduce(site, 'ReduceSumSquare', gradient))
  const length = emit(site, 'Sqrt', [emit(site, 'Sum', squares)])
  const fitting = emit(site, 'Div', [
    constantOf(site, 'largest', largest),
    emit(site, 'Max', [length, constantOf(site, 'tiny', TINY)]),
  ])
  return emit(site, 'Min', [fitting, constantOf(site, 'one', 1)])
}

const TINY = 1e-20

/** range + follow · (range of this batch − range) */
function followRanges(site: Site, { observed }: Student, slot: Slot, now: Value, follow: Value) {
  const concat = (values: readonly Value[]) => emit(site, 'Concat', [...values], { attributes: { axis: int(0) } })
  const seen = slot.parameters.flatMap(({ key, value }) => {
    const extremes = observed.get(key)
    if (!extremes) return [value]
    return [concat(extremes.map((extreme) => asVector(site, extreme)))]
  })
  const change = emit(site, 'Mul', [emit(site, 'Sub', [concat(seen), now]), follow])
  return output(site.model, slot, [now], [emit(site, 'Add', [now, change])])
}

const asVector = (site: Site, x: Value): Value =>
  emit(site, 'Reshape', [x, addInitializer(site.model, site.graph, 'one', int64([1], [1]))])

function output(model: Model, slot: Slot, now: readonly Value[], next: readonly Value[]) {
  const named = next.map((value, i) => {
    const result = addNode(model, model.graph, 'Identity', [value], { output: `${slot.name}_next_${i}` })
    result.dtype = 'float32'
    result.shape = slot.dims
    model.graph.outputs.push(result)
    return result.name
  })
  return { now: now.map(({ name }) => name), next: named }
}
