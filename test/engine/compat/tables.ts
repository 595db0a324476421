/** What a quantized model says of itself, in the form of the golden files. */
import { createHash } from 'node:crypto'
import { bitsOf } from '../../../src/engine/ir/dtype.ts'
import { allGraphs, type Model, type Node, sortedNodes, type Value } from '../../../src/engine/ir/graph.ts'
import { bytesOf, type Tensor, type Viewable, view } from '../../../src/engine/ir/tensor.ts'
import type { QType } from '../../../src/engine/quant/math.ts'
import { integersOfTensor } from '../../../src/engine/quant/packed.ts'
import type { TensorEntry } from './cases.ts'

export function histogram(model: Model): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const graph of allGraphs(model.graph))
    for (const { domain, opType } of graph.nodes) {
      const name = domain ? `${domain}:${opType}` : opType
      counts[name] = (counts[name] ?? 0) + 1
    }
  return counts
}

const namesOf = (values: readonly (Value | null)[]): string => values.map((value) => labelOf(value)).join(', ')
/** Constant nodes are known by what they hold. */
const labelOf = (value: Value | null): string =>
  value?.producer?.opType === 'Constant' ? 'a constant' : (value?.name ?? '')

/** One line per node of the graph, sorted. */
export const edges = ({ graph }: Model): string[] =>
  [...graph.nodes].map(({ opType, inputs, outputs }) => `${opType}(${namesOf(inputs)}) = ${namesOf(outputs)}`).sort()

export const constantNames = ({ graph }: Model): string[] => [...graph.initializers].map(({ name }) => name).sort()

const hexOf = (x: number): string => Buffer.from(new Uint8Array(Float32Array.of(x).buffer).reverse()).toString('hex')
const numbers = (tensor: Tensor): number[] =>
  Array.from(view(tensor, tensor.dtype as Viewable) as Iterable<number>, Number)
const sameForm = <T>(tensor: Tensor, values: T[]): T | T[] =>
  tensor.shape.length === 0 || values.length === 1 ? values[0]! : values

const isPacked = (tensor: Tensor): boolean => bitsOf(tensor.dtype) < 8
const integersIn = (tensor: Tensor): number[] =>
  isPacked(tensor) ? [...integersOfTensor(tensor, tensor.dtype as QType)] : numbers(tensor)
/** the golden files hash one byte per element */
const unpackedBytes = (tensor: Tensor): Uint8Array =>
  isPacked(tensor) ? Uint8Array.from(integersIn(tensor)) : bytesOf(tensor)

const quantizedOf = ({ name, tensor }: Value) => ({
  name,
  shape: [...tensor!.shape],
  sha256: createHash('sha256').update(unpackedBytes(tensor!)).digest('hex'),
})

function entryOf(
  scale: Tensor,
  zeroPoint: Tensor,
  axis: number | null,
  integers: Value | null | undefined,
): TensorEntry {
  return {
    scaleHex: sameForm(scale, numbers(scale).map(hexOf)),
    zeroPoint: sameForm(zeroPoint, integersIn(zeroPoint)),
    axis,
    dtype: zeroPoint.dtype,
    ...(integers?.isConstant && { quantized: quantizedOf(integers) }),
  }
}

const tensorName = (scale: string): string =>
  scale
    .replace(/_scale_convert$/, '#convert')
    .replace(/_scale$/, '')
    .replace(/_quantized$/, '')
const QDQ = new Set(['QuantizeLinear', 'DequantizeLinear'])

/** One entry per pair of parameters that Q and DQ nodes use. */
export function qdqTensors(model: Model): Record<string, TensorEntry> {
  const found: Record<string, TensorEntry> = {}
  const nodes = sortedNodes(model.graph).filter(({ opType }) => QDQ.has(opType))
  for (const node of nodes) addEntry(found, node)
  return found
}

function addEntry(found: Record<string, TensorEntry>, node: Node): void {
  const [integers, scale, zeroPoint] = node.inputs
  if (!scale?.tensor || !zeroPoint?.tensor) return
  const entry = entryOf(
    scale.tensor,
    zeroPoint.tensor,
    node.int('axis') ?? null,
    node.opType === 'DequantizeLinear' ? integers : null,
  )
  const name = tensorName(scale.name)
  found[name] = { ...entry, ...found[name] }
}

/** One entry per pair of constants `x_scale`, `x_zero_point`; axes are not stored in this format. */
export function namedTensors(model: Model): Record<string, TensorEntry> {
  const byName = new Map([...model.graph.initializers].map((value) => [value.name, value]))
  const found: Record<string, TensorEntry> = {}
  for (const [name, scale] of byName) {
    if (!name.endsWith('_scale') || !scale.tensor) continue
    const base = name.slice(0, -'_scale'.length)
    const zeroPoint = byName.get(`${base}_zero_point`)
    if (zeroPoint?.tensor) found[base] = entryOf(scale.tensor, zeroPoint.tensor, null, byName.get(`${base}_quantized`))
  }
  return found
}
