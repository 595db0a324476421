/** Operators that are linear in what they read, by a constant weight: convolutions and products. */

import { addInitializer } from '../../ir/build.ts'
import type { Node } from '../../ir/graph.ts'
import type { ByOperator, Operator } from '../../ir/operators.ts'
import { elementCount, float32, type Tensor, view } from '../../ir/tensor.ts'
import type { Site } from './site.ts'

export interface Linear {
  node: Node
  weight: Tensor
  /** channels that it reads and writes */
  inputs: number
  outputs: number
  /** axes behind that of the channels in what it reads and writes */
  behind: number
  /** the channel that an element of the weight reads or writes, by its place */
  inputOf: (element: number) => number
  outputOf: (element: number) => number
  /** whether it has a place for a bias */
  takesBias: boolean
  /** whether every output sees the whole weight, whatever lies at the borders */
  isBorderless: boolean
}

type Layout = Omit<Linear, 'node' | 'weight'>

const LAYOUTS: ByOperator<(node: Node, shape: readonly number[]) => Layout | null> = {
  Conv: convolution,
  ConvTranspose: transposed,
  Gemm: product,
  MatMul: (_node, shape) => (shape.length === 2 ? { ...columns(shape), takesBias: false } : null),
}

/** Their weights may be large, and tied to others: nothing is made twice. */
const IS_PRODUCT = new Set<Operator>(['Gemm', 'MatMul'])

/** How the node is linear; null where its weight or its bias is computed, or it is another operator. */
export function linearOf(node: Node): Linear | null {
  const weight = node.inputs[1]?.tensor
  const bias = node.inputs[2]
  if (node.domain !== '' || weight?.dtype !== 'float32' || (bias && bias.tensor?.dtype !== 'float32')) return null
  if (IS_PRODUCT.has(node.opType) && node.inputs[1]!.consumers.size > 1) return null
  const layout = LAYOUTS[node.opType]?.(node, weight.shape)
  return layout ? { node, weight, ...layout } : null
}

/** [outputs, inputs ÷ groups, …kernel] */
function convolution(node: Node, shape: readonly number[]): Layout {
  const groups = node.int('group', 1)
  const [outputs, perGroup] = [shape[0]!, shape[1]!]
  const kernel = elementCount(shape.slice(2))
  const outputOf = (element: number) => Math.floor(element / (perGroup * kernel))
  const groupOf = (output: number) => Math.floor((output * groups) / outputs)
  return {
    inputs: perGroup * groups,
    outputs,
    behind: shape.length - 2,
    outputOf,
    inputOf: (element) => groupOf(outputOf(element)) * perGroup + (Math.floor(element / kernel) % perGroup),
    takesBias: true,
    isBorderless: isUnpadded(node),
  }
}

/** [inputs, outputs ÷ groups, …kernel] */
function transposed(node: Node, shape: readonly number[]): Layout {
  const groups = node.int('group', 1)
  const [inputs, perGroup] = [shape[0]!, shape[1]!]
  const kernel = elementCount(shape.slice(2))
  const inputOf = (element: number) => Math.floor(element / (perGroup * kernel))
  const groupOf = (input: number) => Math.floor((input * groups) / inputs)
  return {
    inputs,
    outputs: perGroup * groups,
    behind: shape.length - 2,
    inputOf,
    outputOf: (element) => groupOf(inputOf(element)) * perGroup + (Math.floor(element / kernel) % perGroup),
    takesBias: true,
    isBorderless: false,
  }
}

/** A Gemm with alpha and beta folded; a bias that is no vector keeps it out. */
function product(node: Node, shape: readonly number[]): Layout | null {
  const bias = node.inputs[2]?.tensor
  if (node.int('transA', 0) !== 0 || node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1) return null
  if (!node.int('transB', 0)) return bias && !isVector(bias, shape[1]!) ? null : columns(shape)
  const { inputs, outputs, inputOf, outputOf, ...rest } = columns([shape[1]!, shape[0]!])
  if (bias && !isVector(bias, outputs)) return null
  return { ...rest, inputs, outputs, inputOf: (i) => i % inputs, outputOf: (i) => Math.floor(i / inputs) }
}

const isVector = ({ shape }: Tensor, length: number): boolean => shape.length === 1 && shape[0] === length

/** [inputs, outputs] */
function columns(shape: readonly number[]): Layout {
  const [inputs, outputs] = [shape[0]!, shape[1]!]
  return {
    inputs,
    outputs,
    behind: 0,
    inputOf: (element) => Math.floor(element / outputs),
    outputOf: (element) => element % outputs,
    takesBias: true,
    isBorderless: true,
  }
}

function isUnpadded(node: Node): boolean {
  const padding = node.string('auto_pad', 'NOTSET')
  if (padding === 'VALID') return true
  return padding === 'NOTSET' && (node.ints('pads') ?? []).every((pad) => pad === 0)
}

/** Replaces the weight by its elements times a factor each. */
export function scaleWeight(
  { model, graph }: Site,
  { node, weight }: Linear,
  factorOf: (element: number) => number,
): void {
  const scaled = view(weight, 'float32').map((w, element) => w * factorOf(element))
  node.setInput(1, addInitializer(model, graph, `${node.inputs[1]!.name}_folded`, float32(weight.shape, scaled)))
}

/** Replaces the bias, where it has one, by what `change` makes of that of each output channel. */
export function changeBias(
  { model, graph }: Site,
  { node, outputs }: Linear,
  change: (bias: number, channel: number) => number,
): void {
  const bias = node.inputs[2]?.tensor
  const values = (bias ? view(bias, 'float32') : new Float32Array(outputs)).map(change)
  const base = node.inputs[2]?.name ?? `${node.name}_bias`
  node.setInput(2, addInitializer(model, graph, `${base}_folded`, float32([outputs], values)))
}
