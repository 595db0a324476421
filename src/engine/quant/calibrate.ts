/** Stage `calibrate`: runs the float model over samples and keeps statistics of every value, never activations. */
import { FewbitError } from '../../shared/errors.ts'
import { addNode, int, ints } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import { opOf } from '../ops/index.ts'
import type { RunTensor, Session } from '../runtime/runner.ts'
import { addTo, createHistogram, type Histogram } from './histogram.ts'
import type { Range, Statistics } from './observers/observer.ts'

type Batches = AsyncIterable<Record<string, RunTensor>> | Iterable<Record<string, RunTensor>>

/** Adds the smallest and largest element of each named value to the model's outputs, as `[min output, max output]`. The model is changed. */
export function addExtremes(model: Model, names: readonly string[]): Map<string, [string, string]> {
  const values = valuesByName(model)
  return new Map(
    names.map((name) => {
      const outputs = ['ReduceMin', 'ReduceMax'].map((reduce) => {
        const output = new Value(freshName(model, `${name}_${reduce}`), 'float32', [])
        addNode(model, model.graph, reduce, [valueNamed(values, name)], {
          outputs: [output],
          attributes: { keepdims: int(0) },
        })
        model.graph.outputs.push(output)
        return output.name
      })
      return [name, outputs as [string, string]]
    }),
  )
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
    const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)
    addNode(model, model.graph, 'ReduceMean', [pooled], {
      outputs: [output],
      attributes: { axes: ints(axes), keepdims: int(0) },
    })
    model.graph.outputs.push(output)
    outputs.set(node.name, output.name)
  }
  return outputs
}

/** Makes the named values themselves outputs. The model is changed. */
export function exposeValues(model: Model, names: readonly string[]): void {
  const values = valuesByName(model)
  const exposed = new Set([...model.graph.outputs, ...model.graph.inputs].map(({ name }) => name))
  for (const name of names) if (!exposed.has(name)) model.graph.outputs.push(valueNamed(values, name))
}

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
  outputs: ReadonlyMap<string, [string, string]>
  /** outputs that hold the mean of each input channel, by node */
  means: ReadonlyMap<string, string>
  batches: Batches
  onBatch?: () => void
}

export interface Measured {
  statistics: Map<string, Statistics>
  /** mean of each input channel, by node */
  means: Map<string, Float32Array>
}

/** Extremes of every value and means over all batches. Throws calibration_failed when a value is NaN or infinite on the data. */
export async function measureExtremes(input: ExtremesInput): Promise<Measured> {
  const { session, outputs, means, batches, onBatch } = input
  const statistics = new Map<string, Statistics>()
  const averages = new Map<string, Float32Array>()
  const fetch = [...[...outputs.values()].flat(), ...means.values()]
  let count = 0
  for await (const feeds of batches) {
    const results = fetch.length > 0 ? await session.run(feeds, fetch) : {}
    count++
    for (const [name, [low, high]] of outputs) {
      statistics.set(name, merged(statistics.get(name), extremesOf(name, results[low], results[high]), count))
    }
    for (const [node, output] of means) averages.set(node, averaged(averages.get(node), results[output], count))
    onBatch?.()
  }
  return { statistics, means: averages }
}

function averaged(before: Float32Array | undefined, found: RunTensor | undefined, count: number): Float32Array {
  const now = found?.data as Float32Array
  return before ? before.map((mean, i) => mean + (now[i]! - mean) / count) : now
}

function merged(before: Statistics | undefined, { min, max }: Range, count: number): Statistics {
  if (!before) return { min, max, averageMin: min, averageMax: max, histogram: null }
  return {
    min: Math.min(before.min, min),
    max: Math.max(before.max, max),
    averageMin: before.averageMin + (min - before.averageMin) / count,
    averageMax: before.averageMax + (max - before.averageMax) / count,
    histogram: null,
  }
}

function extremesOf(name: string, low: RunTensor | undefined, high: RunTensor | undefined): Range {
  const [min, max] = [Number(low?.data[0]), Number(high?.data[0])]
  if (Number.isFinite(min) && Number.isFinite(max)) return { min, max }
  throw new FewbitError(
    'calibration_failed',
    `the float model computes NaN or infinity at value "${name}" on the calibration data`,
    {
      stage: 'calibrate',
      hint: 'check the preprocessing of the data set and the weights of the model, or exclude the node that reads this value',
    },
  )
}

export interface HistogramInput {
  /** a model whose outputs include the values */
  session: Session
  statistics: ReadonlyMap<string, Statistics>
  batches: Batches
  onBatch?: () => void
}

/** The same statistics with a histogram each, between the extremes. Holds one batch of activations at a time. */
export async function measureHistograms({
  session,
  statistics,
  batches,
  onBatch,
}: HistogramInput): Promise<Map<string, Statistics>> {
  const histograms = new Map<string, Histogram>([...statistics].map(([name, range]) => [name, createHistogram(range)]))
  const available = new Set(session.outputs.map(({ name }) => name))
  const fetch = [...histograms.keys()].filter((name) => available.has(name))
  for await (const feeds of batches) {
    const results = fetch.length > 0 ? await session.run(feeds, fetch) : {}
    for (const [name, histogram] of histograms) {
      const data = (results[name] ?? feeds[name])?.data
      if (data instanceof Float32Array) addTo(histogram, data)
    }
    onBatch?.()
  }
  return new Map([...statistics].map(([name, found]) => [name, { ...found, histogram: histograms.get(name) ?? null }]))
}
