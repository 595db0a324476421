/** ½ · x · (1 + erf(x ÷ √2)) is one Gelu, as is its approximation by tanh: one rounding instead of five where the target has the operator. */
import { replaceNode, string } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import { factorsOf, isAbout, numberOf, sumWith } from './factors.ts'
import { raiseOpset } from './newer-opsets.ts'
import type { Pass } from './pass.ts'

/** the operator set that brought Gelu */
const HAS_GELU = 20
const CUBIC = 0.044715

/** Nodes that `stays` names are left alone. */
export const fuseGelu = (stays: (node: Node) => boolean): Pass => ({
  name: 'fuse-gelu',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes]) if (graph.nodes.has(node) && !stays(node)) rewrite(model, graph, node)
  },
})

function rewrite(model: Model, graph: Graph, node: Node): void {
  const found = geluOf(node, graph)
  if (!found || !raiseOpset(model, HAS_GELU)) return
  replaceNode(model, graph, node, 'Gelu', [found.x], {
    attributes: found.isTanh ? { approximate: string('tanh') } : {},
  })
}

interface Gelu {
  x: Value
  isTanh: boolean
}

/** Two factors and a half: x, and 1 + erf or 1 + tanh of it. */
function geluOf(node: Node, graph: Graph): Gelu | null {
  const factors = factorsOf(node, graph)
  if (!factors || factors.values.length !== 2 || !isAbout(factors.constant, 0.5)) return null
  const [a, b] = factors.values
  if (!a || !b) return null
  return gateOf(b, a, graph) ?? gateOf(a, b, graph)
}

function gateOf(gate: Value, x: Value, graph: Graph): Gelu | null {
  const bend = sumWith(gate, 1)?.producer
  if (!bend || bend.domain !== '') return null
  const inner = bend.inputs[0]?.producer
  if (!inner) return null
  if (bend.opType === 'Erf') return isRooted(inner, x, graph) ? { x, isTanh: false } : null
  return bend.opType === 'Tanh' && isCubic(inner, x, graph) ? { x, isTanh: true } : null
}

/** x ÷ √2 */
function isRooted(node: Node, x: Value, graph: Graph): boolean {
  const factors = factorsOf(node, graph)
  return (
    factors !== null &&
    factors.values.length === 1 &&
    factors.values[0] === x &&
    isAbout(factors.constant, Math.SQRT1_2)
  )
}

/** √(2 ÷ π) · (x + 0.044715 · x³) */
function isCubic(node: Node, x: Value, graph: Graph): boolean {
  const factors = factorsOf(node, graph)
  const [sum] = factors?.values ?? []
  if (!factors || !sum || factors.values.length !== 1 || !isAbout(factors.constant, Math.sqrt(2 / Math.PI)))
    return false
  const { producer } = sum
  if (producer?.opType !== 'Add' || !producer.inputs.includes(x)) return false
  const cube = producer.inputs.find((input) => input !== x)?.producer
  return cube ? isCube(cube, x, graph) : false
}

function isCube(node: Node, x: Value, graph: Graph): boolean {
  const factors = factorsOf(node, graph)
  if (!factors || !isAbout(factors.constant, CUBIC)) return false
  const [power] = factors.values
  if (factors.values.length === 3) return factors.values.every((value) => value === x)
  if (factors.values.length !== 1 || power?.producer?.opType !== 'Pow') return false
  return power.producer.inputs[0] === x && numberOf(power.producer.inputs[1]) === 3
}
