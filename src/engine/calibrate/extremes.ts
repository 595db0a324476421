/** The smallest and largest element of values as outputs of a model; what follows from other extremes is not computed twice. */
import { addNode, int } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import type { Monotone } from '../ops/define.ts'
import { opOf } from '../ops/index.ts'
import { monotoneOf } from '../plan/monotone.ts'
import { valueNamed, valuesByName } from '../plan/named-values.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import type { Range } from './observers/observer.ts'

/** An output of the model, a bound that is known beforehand, or what becomes of another end. */
type End = string | number | { of: End; become: (x: number) => number }

/** Where the extremes of a value come out. The least and the largest of several count. */
export interface ExtremesOutputs {
  low: readonly End[]
  high: readonly End[]
}

/**
 * Adds the smallest and largest element of each named value to the model's outputs. `knowBounds` leaves out what the operators say: what cannot
 * be negative, what is joined of measured values, and what a number does to a measured value. The model is changed.
 */
export function addExtremes(
  model: Model,
  names: readonly string[],
  { knowBounds = false } = {},
): Map<string, ExtremesOutputs> {
  const values = valuesByName(model)
  const wanted = new Set(names.map((name) => valueNamed(values, name)))
  const signs: Signs | null = knowBounds ? new Map() : null
  const found = new Map<Value, ExtremesOutputs>()
  const endsOf = (value: Value): ExtremesOutputs => {
    const known = found.get(value) ?? (signs && followed(value)) ?? addOwnExtremes(model, value, signs)
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
  ...new Set(
    [...all].flatMap(({ low, high }) => [...low, ...high].map(sourceOf)).filter((end) => typeof end === 'string'),
  ),
]

const sourceOf = (end: End): string | number => (typeof end === 'object' ? sourceOf(end.of) : end)

/** The least and the largest of what came out. */
export function extremesIn({ low, high }: ExtremesOutputs, results: Record<string, RunTensor>): Range {
  const numberOf = (end: End): number => {
    if (typeof end === 'object') return end.become(numberOf(end.of))
    return typeof end === 'number' ? end : Number(results[end]?.data[0])
  }
  return { min: Math.min(...low.map(numberOf)), max: Math.max(...high.map(numberOf)) }
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]

const united = (parts: readonly ExtremesOutputs[]): ExtremesOutputs => ({
  low: unique(parts.flatMap(({ low }) => low)),
  high: unique(parts.flatMap(({ high }) => high)),
})

/** A bound at 0 that nothing may have reached says nothing of what lies elsewhere than at 0. */
function transformed({ low, high }: ExtremesOutputs, { become, rises, keepsZero }: Monotone): ExtremesOutputs | null {
  const isBound = [...low, ...high].some((end) => typeof sourceOf(end) === 'number')
  if (isBound && !keepsZero) return null
  const through = (ends: readonly End[]) => ends.map((of) => ({ of, become }))
  return rises ? { low: through(low), high: through(high) } : { low: through(high), high: through(low) }
}

function addOwnExtremes(model: Model, value: Value, signs: Signs | null): ExtremesOutputs {
  const isBounded = signs !== null && cannotBeNegative(value, signs)
  const low = isBounded ? 0 : addExtreme(model, 'ReduceMin', value)
  return { low: [low], high: [addExtreme(model, 'ReduceMax', value)] }
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

function addExtreme(model: Model, reduce: string, value: Value): string {
  const output = new Value(freshName(model, `${value.name}_${reduce}`), 'float32', [])
  // ONNX Runtime keeps images in blocks of channels; this pooling reads them as they lie, a reduction has them reordered first.
  const pooled = reduce === 'ReduceMax' && value.shape?.length === IMAGE_RANK
  const source = pooled ? addNode(model, model.graph, 'GlobalMaxPool', [value]) : value
  addNode(model, model.graph, reduce, [source], { outputs: [output], attributes: { keepdims: int(0) } })
  model.graph.outputs.push(output)
  return output.name
}
