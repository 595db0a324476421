/** What is minimized: the distance to the float model's outputs, to the labels, or both. */

import { addNode, int } from '../../ir/build.ts'
import { freshName, type Model, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { constantOf, emit, reduce, type Site } from './pseudo.ts'

/** One part of the loss, about one output. */
export type LossTerm = { output: string; weight: number } & (
  | { kind: 'divergence'; temperature: number }
  | { kind: 'squared_error' }
  | { kind: 'cross_entropy' }
)

export interface Loss {
  /** scalar */
  value: Value
  /** what has to be fed besides the data: the float model's outputs by name, one-hot labels */
  teachers: Map<string, Value>
  targets: Value | null
}

/** Appends the loss to a graph with fixed shapes. The sum of the terms by their weights. */
export function addLoss(model: Model, terms: readonly LossTerm[]): Loss {
  const site: Site = { model, graph: model.graph }
  const loss: Omit<Loss, 'value'> = { teachers: new Map(), targets: null }
  const parts = terms.map((term) => {
    const output = model.graph.outputs.find(({ name }) => name === term.output)
    if (!output) throw new Error(`the loss names "${term.output}", which is no output`)
    const part = PARTS[term.kind](site, term as never, output, loss)
    return emit(site, 'Mul', [part, constantOf(site, 'loss_weight', term.weight)])
  })
  const value = addNode(model, model.graph, 'Sum', parts, { output: 'loss' })
  for (const part of [...parts, value]) {
    part.shape = []
    part.dtype = 'float32'
  }
  return { ...loss, value }
}

type Part<K extends LossTerm['kind']> = (
  site: Site,
  term: Extract<LossTerm, { kind: K }>,
  output: Value,
  loss: Omit<Loss, 'value'>,
) => Value

const PARTS: { [K in LossTerm['kind']]: Part<K> } = {
  divergence: (site, { temperature }, output, loss) => {
    const { logits, axis } = logitsOf(output)
    const teacher = teacherFor(site, output, loss)
    const known = logits === output ? teacher : emit(site, 'Log', [emit(site, 'Max', [teacher, number(site, TINY)])])
    const soften = (value: Value, opType: Operator) => {
      const softened = typed(emit(site, 'Mul', [value, number(site, 1 / temperature)]), output)
      return typed(emit(site, opType, [softened], { attributes: { axis: int(axis) } }), output)
    }
    const p = soften(known, 'Softmax')
    const gap = typed(emit(site, 'Sub', [soften(known, 'LogSoftmax'), soften(logits, 'LogSoftmax')]), output)
    return meanOfRows(site, typed(emit(site, 'Mul', [p, gap]), output), axis, temperature ** 2)
  },
  cross_entropy: (site, _, output, loss) => {
    const { logits, axis } = logitsOf(output)
    loss.targets ??= input(site, 'targets', output)
    const q = typed(emit(site, 'LogSoftmax', [logits], { attributes: { axis: int(axis) } }), output)
    return meanOfRows(site, typed(emit(site, 'Mul', [loss.targets, q]), output), axis, -1)
  },
  squared_error: (site, _, output, loss) => {
    const teacher = teacherFor(site, output, loss)
    const error = typed(emit(site, 'Sub', [output, teacher]), output)
    const squared = typed(emit(site, 'Mul', [error, error]), output)
    const mean = (value: Value) => Object.assign(reduce(site, 'ReduceMean', value), { shape: [], dtype: 'float32' })
    const power = emit(site, 'Add', [mean(emit(site, 'Mul', [teacher, teacher])), number(site, TINY)])
    return emit(site, 'Div', [mean(squared), Object.assign(power, { shape: [], dtype: 'float32' })])
  },
}

/** keeps logarithms and quotients finite */
const TINY = 1e-12

const number = (site: Site, value: number) => constantOf(site, 'k', value)

/** Values that the gradient goes through need a type and a shape. */
function typed(value: Value, like: Value): Value {
  value.dtype = 'float32'
  value.shape = like.shape
  return value
}

/** The output, or what a final Softmax, rounded or not, makes it from. */
function logitsOf(output: Value): { logits: Value; axis: number } {
  let { producer } = output
  while (producer && TRANSPARENT.has(producer.opType)) producer = producer.inputs[0]?.producer ?? null
  if (producer?.opType !== 'Softmax' || !producer.inputs[0]) return { logits: output, axis: -1 }
  return { logits: producer.inputs[0], axis: producer.int('axis', -1) }
}

const TRANSPARENT = new Set<Operator>(['Identity', 'FakeQuantize'])

/** Whether an output holds probabilities. */
export const isProbability = (output: Value): boolean => logitsOf(output).logits !== output

function teacherFor(site: Site, output: Value, { teachers }: Omit<Loss, 'value'>): Value {
  const teacher = teachers.get(output.name) ?? input(site, `teacher_${output.name}`, output)
  teachers.set(output.name, teacher)
  return teacher
}

function input({ model, graph }: Site, name: string, like: Value): Value {
  const value = new Value(freshName(model, name), 'float32', like.shape)
  graph.inputs.push(value)
  return value
}

/** Σ over everything ÷ rows along `axis` · factor. */
function meanOfRows(site: Site, value: Value, axis: number, factor: number): Value {
  const shape = value.shape as number[]
  const classes = shape.at(axis) ?? 1
  const rows = shape.reduce((a, b) => a * b, 1) / classes
  const sum = Object.assign(reduce(site, 'ReduceSum', value), { shape: [], dtype: 'float32' })
  return emit(site, 'Mul', [sum, number(site, factor / rows)])
}
