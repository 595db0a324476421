/**
 * LayerNormalization and InstanceNormalization for targets that have neither: differences from the mean, and their division by their own length.
 * d ÷ √(mean(d²)) = √n · d ÷ ‖d‖, so that LpNormalization, which adds squares up in 32 bits inside of its kernel, does what squares, means
 * and roots of 8 bits do worse. Where its results have a prescribed scale, long vectors, whose elements are small, go through the root instead.
 */
import { addInitializer, addNode, int, ints, replaceNode } from '../ir/build.ts'
import { allGraphs, type Dim, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { float32, int64, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

/** elements of a vector of length 1 that 1/128 still resolves: at least a sixteenth each */
const LONGEST = 64

export interface Abilities {
  has: (opType: string) => boolean
  /** whether LpNormalization writes a scale that nobody chooses */
  isPrescribed: boolean
}

/** Nodes that `stays` names are left alone. */
export const lowerNorms = (abilities: Abilities, stays: (node: Node) => boolean): Pass => ({
  name: 'lower-norms',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes])
        if (node.domain === '' && !stays(node) && !abilities.has(node.opType)) lower({ model, graph, node }, abilities)
  },
})

interface Site {
  model: Model
  graph: Graph
  node: Node
}

/** A normalization: along its last axes, over so many elements. */
interface Norm {
  x: Value
  /** of x */
  shape: readonly Dim[]
  /** elements that share a mean */
  size: number
  /** axes that they lie along */
  axes: number
  scale: Float32Array
  bias: Float32Array | null
  epsilon: number
  /** of scale and bias, to be broadcast */
  broadcast: readonly number[]
}

function lower(site: Site, { has, isPrescribed }: Abilities): void {
  const norm = normOf(site.node)
  if (!norm || !['Sub', 'Mul', 'Add'].every(has) || !has(norm.axes > 1 ? 'GlobalAveragePool' : 'ReduceMean')) return
  const byLength = has('LpNormalization') && (!isPrescribed || norm.size <= LONGEST)
  if (!byLength && !(has('Sqrt') && has('Div'))) return
  const write = writerAt(site, norm)
  const difference = write('Sub', [norm.x, write.mean(norm.x)], 'difference')
  const unit = byLength ? unitOf(write, norm, difference) : quotientOf(write, norm, difference)
  const factor = byLength ? Math.sqrt(norm.size) : 1
  scaleAndMove(site, norm, unit, factor, write)
}

/** Float32 constants and computed values of one replaced node. */
interface Writer {
  (opType: Operator, inputs: readonly Value[], part: string, options?: { shape?: readonly Dim[]; axis?: number }): Value
  mean: (value: Value) => Value
  constant: (name: string, shape: readonly number[], numbers: ArrayLike<number>) => Value
  sizes: (name: string, values: readonly number[]) => Value
}

function writerAt({ model, graph, node }: Site, norm: Norm): Writer {
  const write = (
    opType: Operator,
    inputs: readonly Value[],
    part: string,
    { shape = norm.shape, axis }: { shape?: readonly Dim[]; axis?: number } = {},
  ) =>
    Object.assign(
      addNode(model, graph, opType, inputs, {
        name: `${node.name || node.opType}_${part}`,
        attributes: axis === undefined ? {} : { axis: int(axis) },
      }),
      { dtype: 'float32' as const, shape },
    )
  return Object.assign(write, {
    mean: (value: Value) => meanOf({ model, graph, node }, norm, value),
    constant: (name: string, shape: readonly number[], numbers: ArrayLike<number>) =>
      addInitializer(model, graph, `${node.name}_${name}`, float32(shape, numbers)),
    sizes: (name: string, values: readonly number[]) =>
      addInitializer(model, graph, `${node.name}_${name}`, int64([values.length], values)),
  })
}

/** the operator set since which the axes of ReduceMean are an input */
const AXES_AS_INPUT = 18

function meanOf({ model, graph, node }: Site, { shape, axes }: Norm, value: Value): Value {
  const reduced = shape.map((dim, i) => (i >= shape.length - axes ? 1 : dim))
  const options = { name: `${node.name || node.opType}_mean` }
  const isInput = (model.opsets.get('') ?? 0) >= AXES_AS_INPUT
  const written =
    axes > 1
      ? addNode(model, graph, 'GlobalAveragePool', [value], options)
      : isInput
        ? addNode(
            model,
            graph,
            'ReduceMean',
            [value, addInitializer(model, graph, `${node.name}_axes`, int64([1], [-1]))],
            options,
          )
        : addNode(model, graph, 'ReduceMean', [value], { ...options, attributes: { axes: ints([-1]) } })
  return Object.assign(written, { dtype: 'float32' as const, shape: reduced })
}

/** d ÷ ‖d‖; several axes are one to LpNormalization. */
function unitOf(write: Writer, { shape, size, axes }: Norm, difference: Value): Value {
  if (axes === 1) return write('LpNormalization', [difference], 'unit', { axis: -1 })
  const kept = shape.slice(0, -axes)
  const places = shape.slice(-axes).map(Number)
  const joined = { shape: [...kept, size] }
  const flat = write('Reshape', [difference, write.sizes('joined', [...kept.map(() => 0), -1])], 'flat', joined)
  const unit = write('LpNormalization', [flat], 'unit', { ...joined, axis: -1 })
  return write('Reshape', [unit, write.sizes('apart', [...kept.map(() => 0), ...places])], 'apart')
}

/** d ÷ √(mean(d²) + ε) */
function quotientOf(write: Writer, { epsilon }: Norm, difference: Value): Value {
  const variance = write.mean(write('Mul', [difference, difference], 'square'))
  const reduced = { shape: variance.shape ?? [] }
  const moved = write('Add', [variance, write.constant('epsilon', [], [epsilon])], 'variance', reduced)
  return write('Div', [difference, write('Sqrt', [moved], 'spread', reduced)], 'quotient')
}

function scaleAndMove({ model, graph, node }: Site, norm: Norm, unit: Value, factor: number, write: Writer): void {
  const scale = write.constant(
    'factors',
    norm.broadcast,
    norm.scale.map((x) => x * factor),
  )
  if (!norm.bias) {
    replaceNode(model, graph, node, 'Mul', [unit, scale])
    return
  }
  const scaled = write('Mul', [unit, scale], 'scaled')
  replaceNode(model, graph, node, 'Add', [scaled, write.constant('offsets', norm.broadcast, norm.bias)])
}

/** What kind of normalization the node is; null where its sizes or constants are unknown. */
function normOf(node: Node): Norm | null {
  const [x, scale, bias] = node.inputs
  const shape = x?.shape
  if (!x || !shape || x.dtype !== 'float32' || scale?.tensor?.dtype !== 'float32') return null
  if (node.outputs.slice(1).some(Boolean) || (bias && bias.tensor?.dtype !== 'float32')) return null
  const rank = shape.length
  const axes = AXES[node.opType]?.(node, rank) ?? 0
  const last = axes > 0 ? shape.slice(-axes) : []
  if (axes < 1 || !last.every((dim) => typeof dim === 'number')) return null
  const size = last.map(Number).reduce((a, b) => a * b, 1)
  return {
    x,
    shape,
    size,
    axes,
    scale: view(scale.tensor, 'float32'),
    bias: bias?.tensor ? view(bias.tensor, 'float32') : null,
    epsilon: node.float('epsilon', 1e-5),
    broadcast: node.opType === 'InstanceNormalization' ? [scale.tensor.shape[0] ?? 1, ...last.map(() => 1)] : [size],
  }
}

/** How many of the last axes share a mean; 0 where that has no form here. */
const AXES: Readonly<Record<string, (node: Node, rank: number) => number>> = {
  LayerNormalization: (node, rank) => ([-1, rank - 1].includes(node.int('axis', -1)) ? 1 : 0),
  InstanceNormalization: (_, rank) => (rank >= 3 ? rank - 2 : 0),
}
