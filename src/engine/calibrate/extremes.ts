/** The smallest and largest element of values as outputs of a model; what follows from other extremes is not computed twice. */
import { addNode, int } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import type { Monotone } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import { monotoneOf } from '../plan/monotone.ts'
import { valueNamed, valuesByName } from '../plan/named-values.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import type { Range } from './range.ts'

/** An output of the model, a bound that is known beforehand, or what becomes of another end. */
type End = Output | number | { of: End; become: (x: number) => number }

interface Output {
  output: string
  /** what comes out of a value without elements */
  ofNothing: number
}

/** Where the extremes of a value come out. The least and the largest of several count. */
export interface ExtremesOutputs {
  low: readonly End[]
  high: readonly End[]
}

export interface ExtremesOptions {
  /** leaves out what the operators say: what cannot be negative, what is joined of measured values, and what a number does to a measured value */
  knowBounds?: boolean
  /** whether values of unknown size may have no elements: pooling, which is faster, refuses these */
  mayBeEmpty?: boolean
}

/** Adds the smallest and largest element of each named value to the model's outputs. The model is changed. */
export function addExtremes(
  model: Model,
  names: readonly string[],
  { knowBounds = false, mayBeEmpty = false }: ExtremesOptions = {},
): Map<string, ExtremesOutputs> {
  const values = valuesByName(model)
  const wanted = new Set(names.map((name) => valueNamed(values, name)))
  const signs: Signs | null = knowBounds ? new Map() : null
  const found = new Map<Value, ExtremesOutputs>()
  const endsOf = (value: Value): ExtremesOutputs => {
    const known = found.get(value) ?? (signs && followed(value)) ?? addOwnExtremes({ model, signs, mayBeEmpty }, value)
    found.set(value, known)
    return known
  }
  const followed = (value: Value): ExtremesOutputs | null => {
    const parts = partsOf(value)
    if (parts?.every((part) => wanted.has(part))) return united(parts.map(endsOf))
    const rule = monotoneOf(value)
    return rule && wanted.has(rule.of) ? transformed(endsOf(rule.of), rule) : null
  }
  return new Map([...wanted].map((value) => [value.name, endsOf(value)]))
}

/** The model's outputs that have to be fetched. */
export const outputsOf = (all: Iterable<ExtremesOutputs>): string[] => [
  ...new Set([...all].flatMap(({ low, high }) => [...low, ...high].flatMap((end) => measured(end)?.output ?? []))),
]

/** Where an end comes from; null for a bound. */
const measured = (end: End): Output | null =>
  typeof end === 'number' ? null : 'output' in end ? end : measured(end.of)

/** The least and the largest of what came out; null for a value that had no elements in this run. */
export function extremesIn({ low, high }: ExtremesOutputs, results: Record<string, RunTensor>): Range | null {
  const resultOf = ({ output }: Output) => Number(results[output]?.data[0])
  const isNothing = (end: End): boolean => {
    const source = measured(end)
    return source !== null && resultOf(source) === source.ofNothing
  }
  const numberOf = (end: End): number => {
    if (typeof end === 'number') return end
    return 'output' in end ? resultOf(end) : end.become(numberOf(end.of))
  }
  if ([...low, ...high].every((end) => isNothing(end) || measured(end) === null)) return null
  const numbersOf = (ends: readonly End[]) => ends.filter((end) => !isNothing(end)).map(numberOf)
  return { min: Math.min(...numbersOf(low)), max: Math.max(...numbersOf(high)) }
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]

const united = (parts: readonly ExtremesOutputs[]): ExtremesOutputs => ({
  low: unique(parts.flatMap(({ low }) => low)),
  high: unique(parts.flatMap(({ high }) => high)),
})

/** A bound at 0 that nothing may have reached says nothing of what lies elsewhere than at 0. */
function transformed({ low, high }: ExtremesOutputs, { become, rises, keepsZero }: Monotone): ExtremesOutputs | null {
  const isBound = [...low, ...high].some((end) => measured(end) === null)
  if (isBound && !keepsZero) return null
  const through = (ends: readonly End[]) => ends.map((of) => ({ of, become }))
  return rises ? { low: through(low), high: through(high) } : { low: through(high), high: through(low) }
}

interface Context {
  model: Model
  signs: Signs | null
  mayBeEmpty: boolean
}

function addOwnExtremes({ model, signs, mayBeEmpty }: Context, value: Value): ExtremesOutputs {
  const isBounded = signs !== null && cannotBeNegative(value, signs)
  const low = isBounded ? 0 : addExtreme(model, 'ReduceMin', value, value)
  const pooled = canPool(value, mayBeEmpty) ? addNode(model, model.graph, 'GlobalMaxPool', [value]) : value
  return { low: [low], high: [addExtreme(model, 'ReduceMax', value, pooled)] }
}

/** What a concatenation joins; null for anything else. */
function partsOf({ producer }: Value): Value[] | null {
  if (!producer || !opOf(producer)?.joins) return null
  return producer.inputs.filter((input) => input !== null)
}

/** What is known already of values: whether they cannot be negative. */
type Signs = Map<Value, boolean>

/** Behind a clamp at 0, or made of such numbers. A quantized range holds 0 anyway, so that the exact minimum does not matter. */
function cannotBeNegative(value: Value, signs: Signs): boolean {
  const known = signs.get(value) ?? signOf(value, signs)
  signs.set(value, known)
  return known
}

function signOf({ producer }: Value, signs: Signs): boolean {
  const def = producer && opOf(producer)
  if (!producer || !def) return false
  const low = def.class === 'clamp' ? def.bounds?.(producer)?.[0] : undefined
  if (low !== undefined && low >= 0) return true
  const sources = def.keepsSign ? producer.inputs : []
  const numbers = sources.filter((input): input is Value => input?.dtype === 'float32')
  return numbers.length > 0 && numbers.every((input) => cannotBeNegative(input, signs))
}

const IMAGE_RANK = 4

/**
 * ONNX Runtime keeps images in blocks of channels; pooling reads them as they lie, a reduction has them reordered first. Pooling refuses images
 * without elements, of which only a batch without samples is known to be none.
 */
export function canPool({ shape }: Value, mayBeEmpty: boolean): boolean {
  if (shape?.length !== IMAGE_RANK) return false
  return shape.slice(1).every((dim) => (typeof dim === 'number' ? dim > 0 : !mayBeEmpty))
}

const OF_NOTHING = { ReduceMin: Number.POSITIVE_INFINITY, ReduceMax: Number.NEGATIVE_INFINITY } as const

function addExtreme(model: Model, reduce: keyof typeof OF_NOTHING, { name }: Value, source: Value): Output {
  const output = new Value(freshName(model, `${name}_${reduce}`), 'float32', [])
  addNode(model, model.graph, reduce, [source], { outputs: [output], attributes: { keepdims: int(0) } })
  model.graph.outputs.push(output)
  return { output: output.name, ofNothing: OF_NOTHING[reduce] }
}
