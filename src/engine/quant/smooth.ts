/**
 * SmoothQuant: channels of an activation that stand out are divided by sⱼ = max|Xⱼ|^α ÷ max|Wⱼ|^(1−α) where they are made, and the weights
 * that read them are multiplied by it. The division lies in constants that are there already, so that nothing is computed in addition.
 * Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models" (2022).
 */
import { cloneModel } from '../ir/clone.ts'
import { type Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
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
} from './channels.ts'

/** An activation with features along its last axis, what makes them and what reads them. */
interface Site extends Course {
  value: Value
  /** what is divided: the rows of a layer, or constants with one number per feature */
  source: Layer | readonly Value[]
  features: number
}

/** Largest magnitude per feature, by the name of the activation. */
export type Maxima = ReadonlyMap<string, Float32Array>

/** The activations that can be smoothed, by name. */
export const smoothable = ({ graph }: Model): string[] => sitesOf(graph, layersOf(graph)).map(({ value }) => value.name)

/** a feature this many times as large as the middle one stands out */
const OUTLYING = 4

/** Whether one of the activations has features that stand out. */
export const hasOutliers = (maxima: Maxima): boolean =>
  [...maxima.values()].some((found) => {
    const sorted = found.toSorted()
    return sorted.at(-1)! > OUTLYING * sorted[sorted.length >> 1]!
  })

/** A copy of the model, smoothed with strength `alpha` between 0 and 1. */
export function smooth(model: Model, maxima: Maxima, alpha: number): Model {
  const copy = cloneModel(model)
  const layers = layersOf(copy.graph)
  for (const site of sitesOf(copy.graph, layers)) {
    const largest = maxima.get(site.value.name)
    if (largest?.length === site.features) move(site, factorsOf(site, largest, alpha))
  }
  return copy
}

function sitesOf(graph: Graph, layers: ReadonlyMap<Node, Layer>): Site[] {
  return sortedNodes(graph).flatMap((node) => {
    const [value] = node.outputs
    const rank = value?.shape?.length ?? 0
    const features = value?.shape?.[rank - 1]
    if (!value || typeof features !== 'number') return []
    const source = sourceOf(node, layers.get(node), rank, features)
    const course = source && courseOf(graph, value, rank - 1, layers)
    return source && course?.readers.every(isWhole) ? [{ value, source, features, ...course }] : []
  })
}

const isWhole = ({ layer, offset }: Course['readers'][number]): boolean => offset === 0 && layer.axis < 2

const FEATURE_CONSTANTS: Record<string, (node: Node) => readonly (Value | null | undefined)[]> = {
  LayerNormalization: ({ inputs }) => inputs.slice(1),
  Mul: ({ inputs }) => inputs.filter((value) => value?.isConstant),
}

function sourceOf(node: Node, layer: Layer | undefined, rank: number, features: number): Site['source'] | null {
  if (layer) return channelAxis(layer, rank) === rank - 1 && isDivisible(layer) ? layer : null
  if (node.domain !== '' || node.outputs.slice(1).some(Boolean)) return null
  const constants = FEATURE_CONSTANTS[node.opType]?.(node).filter((value) => value !== null && value !== undefined)
  return constants && constants.length > 0 && constants.every((value) => isVector(value, features)) ? constants : null
}

const isVector = ({ tensor, consumers }: Value, length: number): boolean =>
  tensor?.dtype === 'float32' &&
  consumers.size === 1 &&
  tensor.shape.at(-1) === length &&
  tensor.shape.slice(0, -1).every((size) => size === 1)

/** factors stay within this of 1, so that float32 loses nothing */
const MOST = 2 ** 10

function factorsOf({ readers, features }: Site, largest: Float32Array, alpha: number): Float64Array {
  const weights = readers.map(({ layer }) => inputRanges(layer))
  return Float64Array.from({ length: features }, (_, j) => {
    const weight = Math.max(...weights.map((ranges) => ranges[j]!))
    if (!(weight > 0 && largest[j]! > 0)) return 1
    return Math.min(Math.max(largest[j]! ** alpha / weight ** (1 - alpha), 1 / MOST), MOST)
  })
}

function move({ source, readers, addends }: Site, factors: Float64Array): void {
  if ('node' in source) divideOutputs(source, factors)
  const constants = 'node' in source ? addends : [...source, ...addends]
  for (const value of constants) value.tensor = divided(value, factors)
  for (const { layer } of readers) setWeight(layer, factors, ones(layer.outputs))
}

const ones = (length: number): Float64Array => new Float64Array(length).fill(1)

function divideOutputs(layer: Layer, factors: Float64Array): void {
  setWeight(layer, ones(layer.inputs), factors)
  const bias = biasOf(layer)
  if (bias) bias.tensor = divided(bias, factors)
}

function setWeight(layer: Layer, input: Float64Array, output: Float64Array): void {
  layer.weight.tensor = float32((layer.weight.tensor as Tensor).shape, scaledWeight(layer, input, output))
}
