/** What only convolutions and products read. Products without a bias keep what is in front of them. */
import { addInitializer, replaceNode } from '../../ir/build.ts'
import { freshName, type Graph, replaceUses, Value } from '../../ir/graph.ts'
import { float32, view } from '../../ir/tensor.ts'
import { changeBias, type Linear, linearOf, scaleWeight } from './linear.ts'
import { isScalar, isShared, normOf, operands, perChannel, type Site } from './site.ts'

/** W ∗ (x · a) = (a · W) ∗ x, padding included. */
export function factorBefore(site: Site): boolean {
  const { graph, node } = site
  const found = operands(node, 'Mul')
  const readers = found && isScalar(found) && readersOf(node.outputs[0], graph)
  if (!readers) return false
  for (const reader of readers) scaleWeight(site, reader, () => found.constant[0]!)
  bypass(site, found.value)
  return true
}

/** W ∗ (x + c) + b = W ∗ x + (b + W ∗ c) where there is no padding. */
export function offsetBefore(site: Site): boolean {
  const { graph, node } = site
  const found = operands(node, 'Add')
  if (!found) return false
  const places = (readersOf(node.outputs[0], graph) ?? []).map((reader) => {
    const takes = reader.isBorderless && isWhole(found.value, reader)
    return { reader, offsets: takes ? perChannel(found, reader.inputs, reader.behind + 2, reader.behind) : null }
  })
  if (places.length === 0 || places.some(({ offsets }) => offsets === null)) return false
  for (const { reader, offsets } of places) offsetInputs(site, reader, offsets!)
  bypass(site, found.value)
  return true
}

/** Both: a BatchNormalization between an activation and the next layer. */
export function normBefore(site: Site): boolean {
  const { graph, node } = site
  const norm = normOf(node)
  const readers = norm && readersOf(node.outputs[0], graph)
  if (!readers || !readers.every(({ isBorderless, inputs }) => isBorderless && inputs === norm.factors.length))
    return false
  for (const reader of readers) {
    offsetInputs(site, reader, norm.offsets)
    scaleWeight(site, reader, (element) => norm.factors[reader.inputOf(element)]!)
  }
  bypass(site, node.inputs[0]!)
  return true
}

/** x · a + c = (x + c ÷ a) · a, where the factor then goes on into what reads the sum, and the offset cannot. */
export function offsetPastFactor({ model, graph, node }: Site): boolean {
  const sum = operands(node, 'Add')
  const factor = sum?.value.producer ? operands(sum.value.producer, 'Mul') : null
  const [output] = node.outputs
  if (!sum || !factor || !output || !isScalar(sum) || !isScalar(factor) || isShared(sum.value, graph)) return false
  const offset = sum.constant[0]! / factor.constant[0]!
  if (!Number.isFinite(offset) || !readersOf(output, graph)) return false
  const producer = sum.value.producer!
  const constant = addInitializer(model, graph, `${node.name}_offset`, float32([], [offset]))
  const scale = producer.inputs.find((input) => input !== factor.value)!
  const moved = new Value(freshName(model, `${output.name}_moved`), 'float32', output.shape)
  replaceNode(model, graph, node, 'Add', [factor.value, constant], { outputs: [moved] })
  replaceNode(model, graph, producer, 'Mul', [moved, scale], { outputs: [output] })
  return true
}

/** Everything that reads the value, where all of it is linear in the value and has a place for a bias. */
function readersOf(value: Value | null | undefined, graph: Graph): Linear[] | null {
  if (!value || graph.outputs.includes(value) || value.consumers.size === 0) return null
  const linears: Linear[] = []
  for (const node of value.consumers.keys()) {
    const reads = graph.nodes.has(node) && node.inputs[0] === value && node.inputs.lastIndexOf(value) === 0
    const linear = reads ? linearOf(node) : null
    if (!linear?.takesBias) return null
    linears.push(linear)
  }
  return linears
}

/** Whether the value has the rank and the channels that the reader takes, so that adding to it repeats nothing. */
const isWhole = ({ shape }: Value, { inputs, behind }: Linear): boolean =>
  shape?.length === behind + 2 && shape.at(-1 - behind) === inputs

function offsetInputs(site: Site, reader: Linear, offsets: Float32Array): void {
  const sums = new Float64Array(reader.outputs)
  for (const [element, w] of view(reader.weight, 'float32').entries())
    sums[reader.outputOf(element)]! += w * offsets[reader.inputOf(element)]!
  changeBias(site, reader, (bias, channel) => bias + sums[channel]!)
}

/** Readers of the node read what it read. */
function bypass({ graph, node }: Site, value: Value): void {
  replaceUses(node.outputs[0]!, value)
  graph.removeNode(node)
}
