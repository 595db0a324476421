/** Stage `calibrate`: runs the float model over samples and keeps statistics of every value, never activations. */
import { FewbitError } from '../../shared/errors.ts'
import { addInitializer, addNode, int, ints } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import { int64 } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import type { RunTensor, Session } from '../runtime/runner.ts'
import { addTo, createHistogram, widenTo } from './histogram.ts'
import type { Range, Statistics } from './observers/observer.ts'

type Batches = AsyncIterable<Record<string, RunTensor>> | Iterable<Record<string, RunTensor>>

/** Where the extremes of a value come out: outputs, or a bound that is known beforehand. The least and the largest of several count. */
export interface ExtremesOutputs {
  low: readonly (string | number)[]
  high: readonly string[]
}

/**
 * Adds the smallest and largest element of each named value to the model's outputs. `knowBounds` leaves out what the operators say: what cannot
 * be negative, and what is joined of measured values. The model is changed.
 */
export function addExtremes(
  model: Model,
  names: readonly string[],
  { knowBounds = false } = {},
): Map<string, ExtremesOutputs> {
  const values = valuesByName(model)
  const wanted = names.map((name) => valueNamed(values, name))
  const joined = new Set(
    knowBounds ? wanted.filter((value) => partsOf(value)?.every((part) => wanted.includes(part))) : [],
  )
  const signs: Signs | null = knowBounds ? new Map() : null
  const found = new Map<string, ExtremesOutputs>()
  for (const value of wanted) if (!joined.has(value)) found.set(value.name, addOwnExtremes(model, value, signs))
  const resolve = (value: Value): ExtremesOutputs => {
    const known = found.get(value.name)
    if (known) return known
    const parts = (partsOf(value) ?? []).map(resolve)
    const all = { low: unique(parts.flatMap(({ low }) => low)), high: unique(parts.flatMap(({ high }) => high)) }
    found.set(value.name, all)
    return all
  }
  return new Map(wanted.map((value) => [value.name, resolve(value)]))
}

const unique = <T>(items: readonly T[]): T[] => [...new Set(items)]

function addOwnExtremes(model: Model, value: Value, signs: Signs | null): ExtremesOutputs {
  const isBounded = signs !== null && cannotBeNegative(value, signs)
  const low = isBounded ? 0 : addExtreme(model, 'ReduceMin', value)
  return { low: [low], high: [addExtreme(model, 'ReduceMax', value)] }
}

/** What a concatenation joins; null for anything else. */
function partsOf({ producer }: Value): Value[] | null {
  if (producer?.opType !== 'Concat' || producer.domain !== '') return null
  return producer.inputs.filter((input) => input !== null)
}

/** Operators that never make the smallest number smaller, beside those that only move numbers. */
const KEEP_SIGN = new Set(['Concat', 'AveragePool', 'GlobalAveragePool', 'ReduceMean', 'ReduceSum'])

/** Operators that may write numbers beyond those that they read. */
const OVERSHOOT = new Set(['Resize', 'Upsample'])

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
  if (!producer || !def || OVERSHOOT.has(producer.opType)) return false
  const low = def.class === 'clamp' ? def.bounds?.(producer)?.[0] : undefined
  if (low !== undefined && low >= 0) return true
  const sources = KEEP_SIGN.has(producer.opType) || def.class === 'movement' ? producer.inputs : []
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

/** Adds the mean of every input channel of the nodes that have such, as [node name, output name]. The model is changed. */
export function addInputMeans(model: Model, names: ReadonlySet<string>): Map<string, string> {
  const outputs = new Map<string, string>()
  for (const node of [...model.graph.nodes]) {
    const axis = opOf(node)?.inputChannels?.axis
    const [input] = node.inputs
    const rank = input?.shape?.length
    if (!names.has(node.name) || axis === undefined || !input || rank === undefined) continue
    const output = new Value(freshName(model, `${node.name}_means`), 'float32')
    // GlobalAveragePool is several times faster than a reduction over axes that are not neighbours.
    const pooled = rank > 2 ? addNode(model, model.graph, 'GlobalAveragePool', [input]) : input
    const channels = axis < 0 ? axis + rank : axis
    const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== channels)
    addReduction(model, 'ReduceMean', pooled, axes, output)
    model.graph.outputs.push(output)
    outputs.set(node.name, output.name)
  }
  return outputs
}

/** from this operator set on the axes of these reductions are an input */
const AXES_AS_INPUT = 18

function addReduction(model: Model, reduce: string, value: Value, axes: readonly number[], output: Value): void {
  const asInput = (model.opsets.get('') ?? 0) >= AXES_AS_INPUT
  const inputs = asInput ? [value, addInitializer(model, model.graph, 'axes', int64([axes.length], axes))] : [value]
  addNode(model, model.graph, reduce, inputs, {
    outputs: [output],
    attributes: { ...(!asInput && { axes: ints(axes) }), keepdims: int(0) },
  })
}

/** Adds the largest magnitude of every channel of each value to the model's outputs. The model is changed. */
export function addChannelMaxima(
  model: Model,
  channels: readonly { name: string; axis: number }[],
): Map<string, string> {
  const values = valuesByName(model)
  return new Map(
    channels.map(({ name, axis }) => {
      const value = valueNamed(values, name)
      const output = new Value(freshName(model, `${name}_maxima`), 'float32')
      const axes = Array.from({ length: value.shape?.length ?? 1 }, (_, i) => i).filter((i) => i !== axis)
      addReduction(model, 'ReduceMax', addNode(model, model.graph, 'Abs', [value]), axes, output)
      model.graph.outputs.push(output)
      return [name, output.name]
    }),
  )
}

/** The largest of these outputs over all batches, element by element. */
export async function measureMaxima(
  session: Session,
  outputs: ReadonlyMap<string, string>,
  batches: Batches,
): Promise<Map<string, Float32Array>> {
  const maxima = new Map<string, Float32Array>()
  for await (const feeds of batches) {
    const results = await session.run(feeds, [...outputs.values()])
    for (const [name, output] of outputs) {
      const found = results[output]?.data as Float32Array
      maxima.set(name, maxima.get(name)?.map((x, i) => Math.max(x, found[i]!)) ?? found)
    }
  }
  return maxima
}

/** elements of a value that its histogram counts, over all samples and at least of one */
const COUNTED = 2 ** 18
const COUNTED_PER_SAMPLE = 2 ** 10
/** from this operator set on Slice takes steps */
const STEPS_AS_INPUT = 10

/** Adds evenly spaced elements of each named value to the model's outputs, for histograms. The model is changed. */
export function addElements(model: Model, names: readonly string[], samples: number): Map<string, string> {
  const values = valuesByName(model)
  const most = Math.max(COUNTED_PER_SAMPLE, COUNTED / Math.max(samples, 1))
  const [flat, start, end, axis] = [[-1], [0], [Number.MAX_SAFE_INTEGER], [0]].map((numbers) =>
    addInitializer(model, model.graph, 'index', int64([1], numbers)),
  )
  return new Map(
    names.map((name) => {
      const value = valueNamed(values, name)
      const output = new Value(freshName(model, `${name}_elements`), 'float32')
      model.graph.outputs.push(output)
      if ((model.opsets.get('') ?? 0) < STEPS_AS_INPUT) {
        addNode(model, model.graph, 'Identity', [value], { outputs: [output] })
        return [name, output.name]
      }
      const step = hasKnownSize(value)
        ? addInitializer(model, model.graph, 'step', int64([1], [stepThrough(value, most)]))
        : stepAtRunTime(model, value, most)
      const line = addNode(model, model.graph, 'Reshape', [value, flat!])
      addNode(model, model.graph, 'Slice', [line, start!, end!, axis!, step], { outputs: [output] })
      return [name, output.name]
    }),
  )
}

/** A step that leaves about `most` elements of a sample and meets every row and column. */
function stepThrough({ shape = [] }: Value, most: number): number {
  const dims = shape.slice(1).map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1))
  const elements = dims.reduce((a, b) => a * b, 1)
  let step = Math.max(1, Math.floor(elements / most))
  while (dims.some((dim) => gcd(step, dim) > 1)) step++
  return step
}

const hasKnownSize = ({ shape }: Value): boolean =>
  shape?.length === IMAGE_RANK && shape.slice(1).every((dim) => typeof dim === 'number' && dim > 0)

/** Steps for values whose size only the run knows: primes, which divide few dimensions, about a third apart. */
const PRIMES = [
  1, 2, 3, 5, 7, 11, 13, 17, 23, 31, 41, 53, 71, 97, 127, 167, 223, 293, 389, 521, 691, 919, 1223, 1627, 2161, 2879,
  3833, 5101, 6791, 9041, 12041, 16033,
]
/** samples that a run has, more or less */
const USUAL_BATCH = 4

/** The largest of the primes that leaves enough elements of a run. */
function stepAtRunTime(model: Model, value: Value, most: number): Value {
  const { graph } = model
  const constant = (numbers: readonly number[]) =>
    addInitializer(model, graph, 'steps', int64([numbers.length], numbers))
  const needed = constant(PRIMES.map((prime) => Math.ceil(prime * most * USUAL_BATCH)))
  const tooLong = addNode(model, graph, 'Greater', [needed, addNode(model, graph, 'Size', [value])])
  const steps = addNode(model, graph, 'Where', [tooLong, constant([1]), constant(PRIMES)])
  return addNode(model, graph, 'ReduceMax', [steps], { attributes: { keepdims: int(1) } })
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

function valuesByName({ graph }: Model): Map<string, Value> {
  const produced = [...graph.nodes].flatMap((node) => [...node.outputs])
  return new Map([...graph.inputs, ...produced].flatMap((value) => (value ? [[value.name, value] as const] : [])))
}

function valueNamed(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name)
  if (value) return value
  throw new FewbitError('quantization_failed', `value "${name}" is not in the graph`, { stage: 'calibrate' })
}

export interface ExtremesInput {
  session: Session
  outputs: ReadonlyMap<string, ExtremesOutputs>
  /** outputs that hold elements for a histogram, by value */
  elements?: ReadonlyMap<string, string>
  /** outputs that hold the mean of each input channel, by node */
  means?: ReadonlyMap<string, string>
  batches: Batches
  onBatch?: () => void
}

export interface Measured {
  statistics: Map<string, Statistics>
  /** mean of each input channel, by node */
  means: Map<string, Float32Array>
}

/** Extremes and histograms of every value and means over all batches, in one pass. Throws calibration_failed when a value is NaN or infinite on the data. */
export async function measureExtremes(input: ExtremesInput): Promise<Measured> {
  const { session, outputs, elements = new Map(), means = new Map(), batches, onBatch } = input
  const statistics = new Map<string, Statistics>()
  const averages = new Map<string, Float32Array>()
  const extremes = [...outputs.values()].flatMap(({ low, high }) => [...low, ...high])
  const fetch = [...new Set([...extremes, ...elements.values(), ...means.values()])].filter(
    (output) => typeof output === 'string',
  )
  let count = 0
  for await (const feeds of batches) {
    const results = fetch.length > 0 ? await session.run(feeds, fetch) : {}
    count++
    for (const [name, ends] of outputs) {
      const found = merged(statistics.get(name), finite(name, extremesIn(ends, results)), count)
      const counted = results[elements.get(name) ?? '']?.data
      statistics.set(name, counted instanceof Float32Array ? counting(found, counted) : found)
    }
    for (const [node, output] of means) averages.set(node, averaged(averages.get(node), results[output], count))
    onBatch?.()
  }
  return { statistics, means: averages }
}

/** The bounds of a histogram follow the extremes. */
function counting(found: Statistics, elements: Float32Array): Statistics {
  const { histogram, min, max } = found
  const fits = histogram && histogram.low === min && histogram.high === max
  const wide = fits ? histogram : histogram ? widenTo(histogram, found) : createHistogram(found)
  addTo(wide, elements)
  return { ...found, histogram: wide }
}

function averaged(before: Float32Array | undefined, found: RunTensor | undefined, count: number): Float32Array {
  const now = found?.data as Float32Array
  return before ? before.map((mean, i) => mean + (now[i]! - mean) / count) : now
}

function merged(before: Statistics | undefined, { min, max }: Range, count: number): Statistics {
  if (!before) return { min, max, averageMin: min, averageMax: max, histogram: null }
  return {
    ...before,
    min: Math.min(before.min, min),
    max: Math.max(before.max, max),
    averageMin: before.averageMin + (min - before.averageMin) / count,
    averageMax: before.averageMax + (max - before.averageMax) / count,
  }
}

/** The least and the largest of what came out. */
export function extremesIn({ low, high }: ExtremesOutputs, results: Record<string, RunTensor>): Range {
  const numberOf = (end: string | number) => (typeof end === 'number' ? end : Number(results[end]?.data[0]))
  return { min: Math.min(...low.map(numberOf)), max: Math.max(...high.map(numberOf)) }
}

/** The extremes of this value. Throws calibration_failed where they are no numbers. */
export function finite<R extends Range>(name: string, extremes: R): R {
  if (Number.isFinite(extremes.min) && Number.isFinite(extremes.max)) return extremes
  throw new FewbitError(
    'calibration_failed',
    `the float model computes NaN or infinity at value "${name}" on the calibration data`,
    {
      stage: 'calibrate',
      hint: 'check the preprocessing of the data set and the weights of the model, or exclude the node that reads this value',
    },
  )
}
