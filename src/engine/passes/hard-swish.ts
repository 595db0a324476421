/** x · clip(x + 3, 0, 6) ÷ 6: one HardSwish where the target has one, sums and products where it has integer kernels of those only. */

import { addInitializer, addNode, replaceNode } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { float32 } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import { isShared, operands } from './affine/site.ts'
import type { Pass } from './pass.ts'

/** the operator set that brought HardSwish, and changed nothing in how older operators compute */
const HAS_HARD_SWISH = 14
/** relative; exporters write 1 ÷ 6 with few digits */
const TOLERANCE = 1e-3

/** Finds the ways in which HardSwish is written without the operator. Nodes that `stays` names are left alone, as in the other direction. */
export const fuseHardSwish = (stays: (node: Node) => boolean): Pass => ({
  name: 'fuse-hard-swish',
  run: (model) => {
    const opset = model.opsets.get('') ?? 0
    if (opset < HAS_HARD_SWISH - 1) return
    for (const graph of allGraphs(model.graph)) {
      for (const node of [...graph.nodes]) {
        const input = graph.nodes.has(node) ? inputOf(node, graph) : null
        if (!input || between(node, input).slice(1).some(stays)) continue
        replaceNode(model, graph, node, 'HardSwish', [input])
        model.opsets.set('', Math.max(opset, HAS_HARD_SWISH))
      }
    }
  },
})

/** The node and what it reads, back to a value. */
function between(node: Node, start: Value): Node[] {
  const producers = node.inputs.flatMap((value) => (value && value !== start ? (value.producer ?? []) : []))
  return [node, ...producers.flatMap((producer) => between(producer, start))]
}

/** The x of the HardSwish whose last node this is. */
function inputOf(node: Node, graph: Graph): Value | null {
  const factor = operands(node, 'Mul')
  if (factor && isSixth(factor.constant) && factor.value.producer && !isShared(factor.value, graph))
    return gatedBy(factor.value.producer, isClamped)
  return gatedBy(node, (gate, x) => isHardSigmoid(gate, x) || isSixthOfClamped(gate, x, graph))
}

/** x, where the node multiplies it by a gate of x. */
function gatedBy({ opType, domain, inputs }: Node, isGate: (gate: Value, x: Value) => boolean): Value | null {
  const [a, b] = inputs
  if (opType !== 'Mul' || domain !== '' || !a || !b || a.dtype !== 'float32') return null
  if (isGate(b, a)) return a
  return isGate(a, b) ? b : null
}

/** clip(x + 3, 0, 6) */
function isClamped({ producer }: Value, x: Value): boolean {
  const def = producer && opOf(producer)
  if (!producer || def?.class !== 'clamp') return false
  const [low, high] = def.bounds?.(producer) ?? []
  const sum = producer.inputs[0]?.producer
  const moved = sum ? operands(sum, 'Add') : null
  return low === 0 && high === 6 && moved?.value === x && moved.constant.length === 1 && moved.constant[0] === 3
}

function isSixthOfClamped({ producer }: Value, x: Value, graph: Graph): boolean {
  const factor = producer && graph.nodes.has(producer) ? operands(producer, 'Mul') : null
  return factor !== null && isSixth(factor.constant) && isClamped(factor.value, x)
}

function isHardSigmoid({ producer }: Value, x: Value): boolean {
  if (producer?.opType !== 'HardSigmoid' || producer.domain !== '' || producer.inputs[0] !== x) return false
  return isAbout(producer.float('alpha', 0.2), 1 / 6) && isAbout(producer.float('beta', 0.5), 0.5)
}

const isSixth = (constant: Float32Array): boolean => constant.length === 1 && isAbout(constant[0]!, 1 / 6)

const isAbout = (found: number, wanted: number): boolean => Math.abs(found / wanted - 1) < TOLERANCE

/** HardSwish as a sum, a clamp and a product, and a sixth of it that a layer behind may take in. */
export const expandHardSwish = (stays: (node: Node) => boolean): Pass => ({
  name: 'expand-hard-swish',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes])
        if (node.opType === 'HardSwish' && node.domain === '' && !stays(node)) expand(model, graph, node)
  },
})

function expand(model: Model, graph: Graph, node: Node): void {
  const [x] = node.inputs
  if (x?.dtype !== 'float32') return
  const scalar = (name: string, value: number) =>
    addInitializer(model, graph, `${node.name}_${name}`, float32([], [value]))
  const compute = (opType: Operator, inputs: readonly Value[], part: string) =>
    Object.assign(addNode(model, graph, opType, inputs, { name: `${node.name}_${part}` }), {
      dtype: x.dtype,
      shape: x.shape,
    })
  const sum = compute('Add', [x, scalar('three', 3)], 'sum')
  const gate = compute('Clip', [sum, scalar('zero', 0), scalar('six', 6)], 'gate')
  const product = compute('Mul', [x, gate], 'product')
  replaceNode(model, graph, node, 'Mul', [product, scalar('sixth', 1 / 6)])
}
