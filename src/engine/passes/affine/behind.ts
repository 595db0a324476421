/** What follows a convolution or a product, and nothing else reads in between. */
import type { Value } from '../../ir/graph.ts'
import { changeBias, type Linear, linearOf, scaleWeight } from './linear.ts'
import { isShared, normOf, operands, perChannel, type Site } from './site.ts'

/** (W ∗ x + b) · a = (a · W) ∗ x + a · b */
export function factorBehind(site: Site): boolean {
  const found = operands(site.node, 'Mul')
  const linear = found && writerOf(found.value, site)
  const factors = linear && perChannel(found, linear.outputs, rankOf(found.value, linear), linear.behind)
  if (!factors) return false
  scaleOutputs(site, linear, factors)
  skip(site, found.value)
  return true
}

/** (W ∗ x + b) + c = W ∗ x + (b + c) */
export function offsetBehind(site: Site): boolean {
  const found = operands(site.node, 'Add')
  const linear = found && writerOf(found.value, site)
  const offsets =
    linear?.takesBias && found && perChannel(found, linear.outputs, rankOf(found.value, linear), linear.behind)
  if (!offsets) return false
  changeBias(site, linear, (bias, channel) => bias + offsets[channel]!)
  skip(site, found.value)
  return true
}

/** A BatchNormalization is both. */
export function normBehind(site: Site): boolean {
  const norm = normOf(site.node)
  const [value] = site.node.inputs
  const linear = norm && value ? writerOf(value, site) : null
  if (!norm || !value || !linear?.takesBias || norm.factors.length !== linear.outputs) return false
  scaleOutputs(site, linear, norm.factors)
  changeBias(site, linear, (bias, channel) => bias + norm.offsets[channel]!)
  skip(site, value)
  return true
}

/** What writes the value for the node of the site alone. */
function writerOf(value: Value, { graph }: Site): Linear | null {
  const { producer } = value
  return producer && graph.nodes.has(producer) && !isShared(value, graph) ? linearOf(producer) : null
}

/** Axes of what it writes; a product by a matrix keeps those of what it reads. */
const rankOf = ({ shape }: Value, { node, behind }: Linear): number =>
  node.opType === 'MatMul' ? (shape?.length ?? 0) : behind + 2

function scaleOutputs(site: Site, linear: Linear, factors: Float32Array): void {
  scaleWeight(site, linear, (element) => factors[linear.outputOf(element)]!)
  if (linear.node.inputs[2]) changeBias(site, linear, (bias, channel) => bias * factors[channel]!)
}

/** The producer writes what the node behind it wrote. */
function skip({ graph, node }: Site, value: Value): void {
  const producer = value.producer!
  const [output] = node.outputs
  graph.removeNode(node)
  producer.setOutput(0, output!)
}
