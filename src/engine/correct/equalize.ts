/**
 * Cross-layer equalization: channels between two layers are divided by sᵢ in the first and multiplied by sᵢ in the second, so that both
 * weights use their ranges evenly; what the network computes stays the same. No channel is made larger than the largest was, so that
 * activations, which share one scale, do not pay for it.
 * Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019), section 4.1.
 */
import { cloneModel } from '../ir/clone.ts'
import type { Graph, Model, Node } from '../ir/graph.ts'
import { float32, type Tensor, view } from '../ir/tensor.ts'
import { channelLayout } from '../quant/math.ts'
import {
  biasOf,
  type Course,
  channelAxis,
  courseOf,
  divided,
  isDivisible,
  type Layer,
  layersOf,
  scaledWeight,
  settled,
} from './channels.ts'

interface Sides {
  layer: Layer
  /** largest weight between every output channel (row) and every input channel that it sees (column) */
  largest: Float32Array
  columns: number
  /** what output channels are divided by and input channels are multiplied by */
  output: Float64Array
  input: Float64Array
}

interface Pair extends Course {
  source: Sides
  /** smallest divisor of each channel */
  least: Float64Array
}

/** An activation between layers and the axis of its channels. */
export interface Between {
  name: string
  axis: number
}

/** The activations whose largest magnitudes per channel `equalize` wants to know. */
export function equalizable({ graph }: Model): Between[] {
  const layers = layersOf(graph)
  return [...layers.values()].flatMap((layer) => {
    const found = courseFrom(graph, layer, layers)
    return found ? [{ name: found.value.name, axis: found.axis }] : []
  })
}

const ROUNDS = 30
/** a round that moves no factor further than this ends the iteration */
const SETTLED = 1e-3
/** factors stay within this of 1, so that float32 loses nothing */
const MOST = 2 ** 10

/** A copy of the model with equalized weights, and how many pairs there were; null when no layers follow each other. `maxima` by name of the activation. */
export function equalize(
  model: Model,
  maxima: ReadonlyMap<string, Float32Array> = new Map(),
): { model: Model; pairs: number } | null {
  const copy = cloneModel(model)
  const layers = layersOf(copy.graph)
  const sides = new Map([...layers.values()].map((layer) => [layer.node, sidesOf(layer)] as const))
  const pairs = [...sides.values()].flatMap((source) => pairFrom(copy, source, layers, maxima))
  if (pairs.length === 0) return null
  for (let round = 0; round < ROUNDS; round++) {
    const moved = pairs.map((pair) => balance(pair, sides))
    if (Math.max(...moved) < SETTLED) break
  }
  for (const { source, addends } of pairs) for (const value of addends) value.tensor = divided(value, source.output)
  for (const side of sides.values()) apply(side)
  return { model: copy, pairs: pairs.length }
}

function pairFrom(
  { graph }: Model,
  source: Sides,
  layers: ReadonlyMap<Node, Layer>,
  maxima: ReadonlyMap<string, Float32Array>,
): Pair[] {
  const found = courseFrom(graph, source.layer, layers)
  if (!found) return []
  const largest = maxima.get(found.value.name)
  const most = Math.max(...(largest ?? []))
  const least = source.output.map((_, i) => (largest && most > 0 ? largest[i]! / most : 0))
  return [{ source, least, ...found.course }]
}

function courseFrom(graph: Graph, layer: Layer, layers: ReadonlyMap<Node, Layer>) {
  const [value] = layer.node.outputs
  if (!value?.shape || !isDivisible(layer)) return null
  const axis = channelAxis(layer, value.shape.length)
  const course = courseOf(graph, value, axis, layers)
  return course && { course, axis, value: settled(graph, value) }
}

function sidesOf(layer: Layer): Sides {
  const { weight, axis, inputOf, outputs, inputs, node } = layer
  const columns = inputs / node.int('group', 1)
  const largest = new Float32Array(outputs * columns)
  const { outer, channels, inner } = channelLayout((weight.tensor as Tensor).shape, axis)
  const values = view(weight.tensor as Tensor, 'float32')
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++)
      for (let i = 0, at = (o * channels + c) * inner; i < inner; i++, at++) {
        const cell = c * columns + (inputOf(o, c, i) % columns)
        largest[cell] = Math.max(largest[cell]!, Math.abs(values[at]!))
      }
  return {
    layer,
    largest,
    columns,
    output: new Float64Array(outputs).fill(1),
    input: new Float64Array(inputs).fill(1),
  }
}

/** First input channel that a row sees. */
const firstInput = ({ layer, columns }: Sides, row: number): number =>
  Math.floor(row / (layer.outputs / (layer.inputs / columns))) * columns

function rowRanges(side: Sides): Float64Array {
  const { largest, columns, output, input } = side
  return output.map((divisor, row) => {
    const first = firstInput(side, row)
    let range = 0
    for (let c = 0; c < columns; c++) range = Math.max(range, largest[row * columns + c]! * input[first + c]!)
    return range / divisor
  })
}

function columnRanges(side: Sides): Float64Array {
  const { largest, columns, output, input } = side
  const ranges = new Float64Array(input.length)
  for (let row = 0; row < output.length; row++) {
    const first = firstInput(side, row)
    for (let c = 0; c < columns; c++)
      ranges[first + c] = Math.max(ranges[first + c]!, largest[row * columns + c]! / output[row]!)
  }
  return ranges.map((range, i) => range * input[i]!)
}

/** Evens the ranges of one pair out; returns by how much the furthest factor moved. */
function balance({ source, readers, least }: Pair, sides: ReadonlyMap<Node, Sides>): number {
  const made = rowRanges(source)
  const read = readers.map(({ layer, offset }) => {
    const side = sides.get(layer.node) as Sides
    return { side, offset, ranges: columnRanges(side) }
  })
  let furthest = 0
  for (const [channel, range] of made.entries()) {
    const next = Math.max(...read.map(({ ranges, offset }) => ranges[offset + channel]!))
    if (!(range > 0 && next > 0)) continue
    const before = source.output[channel]!
    const after = Math.min(Math.max(before * Math.sqrt(range / next), 1 / MOST, least[channel]!), MOST)
    source.output[channel] = after
    for (const { side, offset } of read) side.input[offset + channel]! *= after / before
    furthest = Math.max(furthest, Math.abs(Math.log(after / before)))
  }
  return furthest
}

function apply({ layer, input, output }: Sides): void {
  const { weight } = layer
  weight.tensor = float32((weight.tensor as Tensor).shape, scaledWeight(layer, input, output))
  const bias = biasOf(layer.node)
  if (bias) bias.tensor = divided(bias, output)
}
