/**
 * SmoothQuant: channels of an activation that stand out are divided by sⱼ = max|Xⱼ|^α ÷ max|Wⱼ|^(1−α) where they are made, and the weights
 * that read them are multiplied by it. The division lies in constants that are there already, so that nothing is computed in addition.
 * Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models" (2022).
 */

import { cloneModel } from '../ir/clone.ts'
import { type Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import type { ByOperator } from '../ir/operators.ts'
import { float32, type Tensor } from '../ir/tensor.ts'
import {
  biasOf,
  type Course,
  channelAxis,
  courseOf,
  divided,
  inputRanges,
  isDivisible,
  type Layer,
  layersOf,
  scaledWeight,
  settled,
} from './channels.ts'

/** An activation with channels along its last axis, what makes them and what reads them. */
interface Site extends Course {
  /** where the channels are measured, and their axis */
  value: Value
  axis: number
  /** what is divided: the outputs of a layer, or constants with one number per channel */
  source: Layer | readonly Value[]
  channels: number
}

/** Largest magnitude per channel, by the name of the activation. */
export type Maxima = ReadonlyMap<string, Float32Array>

/** The activations that can be smoothed, and the axis of their channels. */
export const smoothable = ({ graph }: Model): { name: string; axis: number }[] =>
  sitesOf(graph, layersOf(graph)).map(({ value: { name }, axis }) => ({ name, axis }))

/** a channel this many times as large as the middle one stands out */
const OUTLYING = 4

/** Whether one of the activations has channels that stand out. */
export const hasOutliers = (maxima: Maxima): boolean =>
  [...maxima.values()].some((found) => {
    const sorted = found.toSorted()
    return sorted.at(-1)! > OUTLYING * sorted[sorted.length >> 1]!
  })

/** A copy of the model, smoothed with strength `alpha` between 0 and 1. */
export function smooth(model: Model, maxima: Maxima, alpha: number): Model {
  const copy = cloneModel(model)
  const sites = sitesOf(copy.graph, layersOf(copy.graph))
  const factors = sites.map((site) => factorsOf(site, maxima.get(site.value.name), alpha))
  for (const [i, site] of sites.entries()) move(site, factors[i]!)
  return copy
}

function sitesOf(graph: Graph, layers: ReadonlyMap<Node, Layer>): Site[] {
  return sortedNodes(graph).flatMap((node) => {
    const [output] = node.outputs
    const rank = output?.shape?.length ?? 0
    const layer = layers.get(node)
    const axis = layer ? channelAxis(layer, rank) : rank - 1
    const channels = output?.shape?.[axis]
    if (!output || typeof channels !== 'number' || axis !== rank - 1) return []
    const source = layer ? isDivisible(layer) && layer : constantsOf(node, channels)
    const course = source ? courseOf(graph, output, axis, layers) : null
    return source && course ? [{ value: settled(graph, output), axis, source, channels, ...course }] : []
  })
}

const CHANNEL_CONSTANTS: ByOperator<(node: Node) => readonly (Value | null | undefined)[]> = {
  LayerNormalization: ({ inputs }) => inputs.slice(1),
  Mul: ({ inputs }) => inputs.filter((value) => value?.isConstant),
}

/** The constants that scale and shift the last axis of a result; null when the node has none. */
function constantsOf(node: Node, channels: number): Value[] | null {
  if (node.domain !== '' || node.outputs.slice(1).some(Boolean)) return null
  const constants = CHANNEL_CONSTANTS[node.opType]?.(node).filter((value) => value !== null && value !== undefined)
  return constants && constants.length > 0 && constants.every((value) => isVector(value, channels)) ? constants : null
}

const isVector = ({ tensor, consumers }: Value, length: number): boolean =>
  tensor?.dtype === 'float32' &&
  consumers.size === 1 &&
  tensor.shape.at(-1) === length &&
  tensor.shape.slice(0, -1).every((size) => size === 1)

/** factors stay within this of 1, so that float32 loses nothing */
const MOST = 2 ** 10

function factorsOf({ readers, channels }: Site, largest: Float32Array | undefined, alpha: number): Float64Array {
  if (largest?.length !== channels) return ones(channels)
  const weights = readers.map(({ layer, offset }) => ({ ranges: inputRanges(layer), offset }))
  return Float64Array.from(largest, (activation, j) => {
    const weight = Math.max(...weights.map(({ ranges, offset }) => ranges[offset + j]!))
    if (!(weight > 0 && activation > 0)) return 1
    return Math.min(Math.max(activation ** alpha / weight ** (1 - alpha), 1 / MOST), MOST)
  })
}

function move({ source, readers, addends }: Site, factors: Float64Array): void {
  if ('node' in source) divideOutputs(source, factors)
  const constants = 'node' in source ? addends : [...source, ...addends]
  for (const value of constants) value.tensor = divided(value, factors)
  for (const { layer, offset } of readers) {
    const input = ones(layer.inputs)
    input.set(factors, offset)
    setWeight(layer, input, ones(layer.outputs))
  }
}

const ones = (length: number): Float64Array => new Float64Array(length).fill(1)

function divideOutputs(layer: Layer, factors: Float64Array): void {
  setWeight(layer, ones(layer.inputs), factors)
  const bias = biasOf(layer.node)
  if (bias) bias.tensor = divided(bias, factors)
}

function setWeight(layer: Layer, input: Float64Array, output: Float64Array): void {
  layer.weight.tensor = float32((layer.weight.tensor as Tensor).shape, scaledWeight(layer, input, output))
}
