/** Constant factors and offsets around a convolution move into its weight and bias: fewer operators, and fewer roundings once they are integers. */
import { addInitializer, addNode } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, replaceUses, type Value } from '../ir/graph.ts'
import { elementCount, float32, type Tensor, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

interface Site {
  model: Model
  graph: Graph
  node: Node
}

/** Each returns whether it changed the graph. */
const RULES: readonly ((site: Site) => boolean)[] = [factorAfterConv, offsetAfterConv, mergeFactors, factorBeforeConv]

export const foldAffine: Pass = {
  name: 'fold-affine',
  run: (model) => {
    for (const graph of allGraphs(model.graph)) foldIn(model, graph)
  },
}

function foldIn(model: Model, graph: Graph): void {
  for (let changed = true; changed; ) {
    changed = false
    for (const node of [...graph.nodes]) {
      if (graph.nodes.has(node) && RULES.some((rule) => rule({ model, graph, node }))) changed = true
    }
  }
}

/** The computed and the constant operand of a node of that type. */
function operands(
  node: Node,
  opType: string,
): { value: Value; constant: Float32Array; shape: readonly number[] } | null {
  const [a, b] = node.inputs
  if (node.opType !== opType || node.domain !== '' || !a || !b || a.isConstant === b.isConstant) return null
  const [value, constant] = a.isConstant ? [b, a] : [a, b]
  if (constant.tensor?.dtype !== 'float32' || value.dtype !== 'float32') return null
  return { value, constant: view(constant.tensor, 'float32'), shape: constant.tensor.shape }
}

/** A convolution with constant weights that only `reader` reads. */
function convBefore(value: Value, { graph }: Site): { conv: Node; weight: Tensor } | null {
  const conv = value.producer
  const weight = conv?.inputs[1]?.tensor
  const bias = conv?.inputs[2]
  if (conv?.opType !== 'Conv' || conv.domain !== '' || weight?.dtype !== 'float32') return null
  if (value.consumers.size !== 1 || graph.outputs.includes(value) || (bias && bias.tensor?.dtype !== 'float32'))
    return null
  return { conv, weight }
}

/** One number per channel, or null when the constant varies along another axis. */
function perChannel(
  constant: Float32Array,
  shape: readonly number[],
  channels: number,
  rank: number,
): Float32Array | null {
  if (constant.length === 1) return shape.length <= rank ? new Float32Array(channels).fill(constant[0]!) : null
  const axis = shape.length - (rank - 1)
  return axis >= 0 && shape[axis] === channels && elementCount(shape) === channels && shape.length <= rank
    ? constant
    : null
}

function factorAfterConv(site: Site): boolean {
  const found = operands(site.node, 'Mul')
  const before = found && convBefore(found.value, site)
  if (!found || !before) return false
  const { conv, weight } = before
  const channels = weight.shape[0]!
  const factors = perChannel(found.constant, found.shape, channels, weight.shape.length)
  if (!factors) return false
  const size = elementCount(weight.shape.slice(1))
  setWeight(
    site,
    conv,
    weight,
    view(weight, 'float32').map((w, i) => w * factors[Math.floor(i / size)]!),
  )
  if (conv.inputs[2])
    setBias(
      site,
      conv,
      biasOf(conv, channels).map((b, channel) => b * factors[channel]!),
    )
  skip(site, found.value)
  return true
}

function offsetAfterConv(site: Site): boolean {
  const found = operands(site.node, 'Add')
  const before = found && convBefore(found.value, site)
  if (!found || !before) return false
  const channels = before.weight.shape[0]!
  const offsets = perChannel(found.constant, found.shape, channels, before.weight.shape.length)
  if (!offsets) return false
  setBias(
    site,
    before.conv,
    biasOf(before.conv, channels).map((b, channel) => b + offsets[channel]!),
  )
  skip(site, found.value)
  return true
}

/** x · a · b = x · (a · b) for single numbers. */
function mergeFactors(site: Site): boolean {
  const { model, graph, node } = site
  const outer = operands(node, 'Mul')
  const inner = outer?.value.producer ? operands(outer.value.producer, 'Mul') : null
  const [output] = node.outputs
  if (!outer || !inner || !output || !isScalar(outer) || !isScalar(inner) || isShared(outer.value, graph)) return false
  const product = addInitializer(
    model,
    graph,
    `${node.name}_factor`,
    float32([], [outer.constant[0]! * inner.constant[0]!]),
  )
  const producer = outer.value.producer!
  graph.removeNode(node)
  graph.removeNode(producer)
  addNode(model, graph, 'Mul', [inner.value, product], { name: node.name, outputs: [output] })
  return true
}

/** (x · a) ∗ W = x ∗ (a · W), padding included, when only convolutions read the product. */
function factorBeforeConv(site: Site): boolean {
  const { graph, node } = site
  const found = operands(node, 'Mul')
  const [output] = node.outputs
  if (!found || !output || !isScalar(found) || graph.outputs.includes(output) || output.consumers.size === 0)
    return false
  const readers = [...output.consumers.keys()]
  const foldable = readers.every(
    (reader) =>
      reader.opType === 'Conv' &&
      reader.domain === '' &&
      graph.nodes.has(reader) &&
      reader.inputs[0] === output &&
      reader.inputs[1]?.tensor?.dtype === 'float32',
  )
  if (!foldable) return false
  for (const conv of readers) {
    const weight = conv.inputs[1]!.tensor!
    setWeight(
      site,
      conv,
      weight,
      view(weight, 'float32').map((w) => w * found.constant[0]!),
    )
  }
  replaceUses(output, found.value)
  graph.removeNode(node)
  return true
}

const isScalar = ({ constant, shape }: { constant: Float32Array; shape: readonly number[] }): boolean =>
  constant.length === 1 && shape.length <= 1

const isShared = (value: Value, graph: Graph): boolean => value.consumers.size !== 1 || graph.outputs.includes(value)

const biasOf = (conv: Node, channels: number): Float32Array => {
  const tensor = conv.inputs[2]?.tensor
  return tensor ? view(tensor, 'float32') : new Float32Array(channels)
}

function setWeight({ model, graph }: Site, conv: Node, weight: Tensor, values: Float32Array): void {
  conv.setInput(1, addInitializer(model, graph, `${conv.inputs[1]!.name}_folded`, float32(weight.shape, values)))
}

function setBias({ model, graph }: Site, conv: Node, values: Float32Array): void {
  const base = conv.inputs[2]?.name ?? `${conv.name}_bias`
  conv.setInput(2, addInitializer(model, graph, `${base}_folded`, float32([values.length], values)))
}

/** The convolution writes what the node behind it wrote. */
function skip({ graph, node }: Site, value: Value): void {
  const conv = value.producer!
  const [output] = node.outputs
  graph.removeNode(node)
  conv.setOutput(0, output!)
}
