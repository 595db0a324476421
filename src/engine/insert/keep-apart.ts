/** Keeps ONNX Runtime's CPU fusions from joining integer and float layers; without that, kernels run that nobody planned. */

import { addNode } from '../ir/build.ts'
import { type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { opOf } from '../ops/index.ts'
import type { Plan } from '../plan/plan.ts'

/**
 * Rewrites a graph after `insertQuantization`; results stay the same but for the order of additions. Sources: ONNX Runtime 1.30,
 * core/optimizer: matmul_add_fusion.cc, gemm_sum_fusion.cc, qdq_transformer/weight_bias_quantization.cc.
 */
export function keepApart(model: Model, plan: Pick<Plan, 'nodes'>): void {
  joinSums(model, plan.nodes)
  for (const node of sortedNodes(model.graph)) if (!plan.nodes.has(node)) shield(model, node)
}

const onlyReader = ({ graph }: Model, value: Value | null | undefined): Node | undefined => {
  if (!value || graph.outputs.includes(value) || value.consumers.size !== 1) return undefined
  return [...value.consumers.keys()][0]
}

/**
 * MatMul + Add becomes a Gemm whose bias is the other operand. Where that is not an int32 constant, the Gemm has no integer form and expands its
 * weight in every run (22 times the time of float, measured). A Sum of the same operands is not fused.
 */
function joinSums(model: Model, planned: ReadonlySet<Node>): void {
  for (const node of sortedNodes(model.graph)) {
    if (!isFloatAdd(node, planned) || !node.inputs.some((value) => isFusedProduct(value, planned))) continue
    const reader = onlyReader(model, node.outputs[0])
    if (reader && isFloatAdd(reader, planned) && reader.inputs[0] !== reader.inputs[1]) mergeSum(model, node, reader)
    else becomeSum(node, [...node.inputs])
  }
}

const isFloatAdd = (node: Node, planned: ReadonlySet<Node>): boolean =>
  node.opType === 'Add' && node.domain === '' && !planned.has(node)

/** Products of matrices are fused with any sum, larger ones not. */
function isFusedProduct(value: Value | null, planned: ReadonlySet<Node>): boolean {
  const producer = value?.producer
  return producer?.opType === 'MatMul' && planned.has(producer) && value?.shape?.length === 2
}

/** (p + q) + b is one sum of three. */
function mergeSum(model: Model, inner: Node, outer: Node): void {
  const [value] = inner.outputs
  const operands = [...inner.inputs, ...outer.inputs.filter((input) => input !== value)]
  model.graph.removeNode(inner)
  becomeSum(outer, operands)
}

/** A product without a bias and a sum of two are fused again, unless the product is a MatMul. */
function becomeSum(node: Node, operands: readonly (Value | null)[]): void {
  if (operands.length === 2) for (const operand of operands) plainProduct(operand?.producer)
  retype(node, 'Sum', operands)
}

function plainProduct(node: Node | null | undefined): void {
  if (node?.opType !== 'Gemm' || node.inputs[2] || node.int('transA', 0) || node.int('transB', 0)) return
  if (node.float('alpha', 1) === 1) retype(node, 'MatMul', node.inputs.slice(0, 2))
}

function retype(node: Node, opType: Operator, inputs: readonly (Value | null)[]): void {
  node.opType = opType
  node.attributes.clear()
  node.truncateInputs(0)
  for (const value of inputs) node.addInput(value)
}

/**
 * A float layer between a DequantizeLinear and a QuantizeLinear would be quantized all the same, with one scale for its whole weight. A sum of one operand
 * behind it, a copy, hides the QuantizeLinear.
 */
function shield(model: Model, node: Node): void {
  const [input, weight] = node.inputs
  if (opOf(node)?.class !== 'multiply' || input?.producer?.opType !== 'DequantizeLinear' || !weight?.isConstant) return
  const { value, reader } = behindClamps(model, node)
  if (!value || reader?.opType !== 'QuantizeLinear') return
  reader.setInput(0, addNode(model, model.graph, 'Sum', [value], { name: `${node.name}_float` }))
}

/** What is left of a result behind the clamps on it, and its only reader. */
function behindClamps(model: Model, node: Node): { value: Value | null | undefined; reader: Node | undefined } {
  const [value] = node.outputs
  const reader = onlyReader(model, value)
  return reader && opOf(reader)?.class === 'clamp' ? behindClamps(model, reader) : { value, reader }
}
