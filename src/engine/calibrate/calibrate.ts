/** Stage `calibrate`: runs the float model over samples and keeps statistics of every value, never activations. */

import { FewbitError } from '../../shared/errors.ts'
import { addInitializer, addNode, int, ints } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { int64 } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import { valueNamed, valuesByName } from '../plan/named-values.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'
import { type ExtremesOutputs, extremesIn, outputsOf } from './extremes.ts'
import { addTo, createHistogram, widenTo } from './histogram.ts'
import type { Statistics } from './observers/observer.ts'
import type { Range } from './range.ts'
import { notePeak, withFiniteMasks } from './softmax-rows.ts'

type Batches = AsyncIterable<Record<string, RunTensor>> | Iterable<Record<string, RunTensor>>

/** Adds the mean of every input channel of the nodes that have such, as [node name, output name]. The model is changed. */
export function addInputMeans(model: Model, names: ReadonlySet<string>, mayBeEmpty = false): Map<string, string> {
  const outputs = new Map<string, string>()
  for (const node of [...model.graph.nodes]) {
    const axis = opOf(node)?.inputChannels?.axis
    const [input] = node.inputs
    const rank = input?.shape?.length
    if (!names.has(node.name) || axis === undefined || !input || rank === undefined) continue
    const output = new Value(freshName(model, `${node.name}_means`), 'float32')
    // GlobalAveragePool is several times faster than a reduction over axes that are not neighbours.
    const pooled = rank > 2 && !mayBeEmpty ? addNode(model, model.graph, 'GlobalAveragePool', [input]) : input
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

function addReduction(model: Model, reduce: Operator, value: Value, axes: readonly number[], output: Value): void {
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
      maxima.set(
        name,
        found.map((x, i) => Math.max(x, maxima.get(name)?.[i] ?? 0)),
      )
    }
  }
  return maxima
}

export interface ExtremesInput {
  session: Session
  outputs: ReadonlyMap<string, ExtremesOutputs>
  /** outputs that hold elements for a histogram, by value */
  elements?: ReadonlyMap<string, string>
  /** outputs that hold the mean of each input channel, by node */
  means?: ReadonlyMap<string, string>
  /** outputs that hold the maxima of rows, by value */
  peaks?: ReadonlyMap<string, string>
  /** inputs in which minus infinity is a mask */
  masks?: ReadonlySet<string>
  batches: Batches
  onBatch?: () => void
  /** of earlier batches of the same model: these are added */
  before?: Measured & { batches: number }
}

export interface Measured {
  statistics: ReadonlyMap<string, Statistics>
  /** mean of each input channel, by node */
  means: ReadonlyMap<string, Float32Array>
}

/** Extremes and histograms of every value and means over all batches, in one pass. Throws calibration_failed when a value is NaN or infinite on the data. */
export async function measureExtremes(input: ExtremesInput): Promise<Measured> {
  const { session, outputs, elements = new Map(), means = new Map(), onBatch, before } = input
  const { batches, peaks = new Map<string, string>(), masks = new Set<string>() } = input
  const statistics = new Map([...(before?.statistics ?? [])].map(([name, found]) => [name, copied(found)]))
  const averages = new Map(before?.means)
  const fetch = [
    ...new Set([...outputsOf(outputs.values()), ...elements.values(), ...means.values(), ...peaks.values()]),
  ]
  const counts = new Map<string, number>()
  const countOf = (name: string) => {
    const count = (counts.get(name) ?? before?.batches ?? 0) + 1
    counts.set(name, count)
    return count
  }
  for await (const feeds of batches) {
    const results = fetch.length > 0 ? await session.run(withFiniteMasks(feeds, masks), fetch) : {}
    for (const [name, ends] of outputs) {
      const extremes = extremesIn(ends, results)
      if (!extremes) continue
      const found = merged(statistics.get(name), finite(name, extremes), countOf(name))
      const counted = results[elements.get(name) ?? '']?.data
      statistics.set(name, counted instanceof Float32Array ? counting(found, counted) : found)
    }
    for (const [name, output] of peaks) notePeak(statistics, name, results[output])
    for (const [node, output] of means) {
      const found = results[output]?.data as Float32Array
      // Nothing has no mean.
      if (found.every(Number.isFinite)) averages.set(node, averaged(averages.get(node), found, countOf(output)))
    }
    onBatch?.()
  }
  for (const name of outputs.keys()) if (!statistics.has(name)) statistics.set(name, NEVER_SEEN)
  return { statistics, means: averages }
}

/** Of a value that had no elements in any run. */
const NEVER_SEEN: Statistics = { min: 0, max: 0, averageMin: 0, averageMax: 0, histogram: null }

/** A histogram is counted further in place. */
const copied = (found: Statistics): Statistics => {
  const { histogram } = found
  return { ...found, histogram: histogram && { ...histogram, counts: histogram.counts.slice() } }
}

/** The bounds of a histogram follow the extremes. */
function counting(found: Statistics, elements: Float32Array): Statistics {
  const { histogram, min, max } = found
  const fits = histogram && histogram.low === min && histogram.high === max
  const wide = fits ? histogram : histogram ? widenTo(histogram, found) : createHistogram(found)
  addTo(wide, elements)
  return { ...found, histogram: wide }
}

function averaged(before: Float32Array | undefined, now: Float32Array, count: number): Float32Array {
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
