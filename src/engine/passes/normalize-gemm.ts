/**
 * Y = alpha·A'·B' + beta·C  becomes  A'·(alpha·B') + (beta·C) where B and C are constants, C is made a vector,
 * a computed A is transposed in front of a constant B, and a Gemm whose C is no constant vector becomes MatMul + Add.
 */

import { addInitializer, addNode, ints, replaceNode } from '../ir/build.ts'
import { allGraphs, freshName, type Graph, type Model, type Node, sortedNodes, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { elementCount, float32, type Tensor, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

export const normalizeGemm: Pass = {
  name: 'normalize-gemm',
  run: (model) => {
    for (const graph of allGraphs(model.graph)) {
      for (const node of sortedNodes(graph))
        if (node.opType === 'Gemm' && node.domain === '') normalize(model, graph, node)
    }
  },
}

function normalize(model: Model, graph: Graph, node: Node): void {
  foldFactor(model, graph, node, 1, 'alpha')
  foldFactor(model, graph, node, 2, 'beta')
  makeBiasVector(model, graph, node)
  turnActivation(model, graph, node)
  if (node.inputs[2] && node.inputs[2].tensor?.shape.length !== 1) splitOffBias(model, graph, node)
}

const floatTensor = (value: Value | null | undefined): Tensor | undefined =>
  value?.tensor?.dtype === 'float32' ? value.tensor : undefined

function foldFactor(model: Model, graph: Graph, node: Node, index: number, attribute: string): void {
  const factor = node.float(attribute, 1)
  const value = node.inputs[index]
  if (!value) node.attributes.delete(attribute)
  const tensor = floatTensor(value)
  if (factor === 1 || !value || !tensor) return
  const scaled = view(tensor, 'float32').map((x) => x * factor)
  node.setInput(index, addInitializer(model, graph, `${value.name}_${attribute}`, float32(tensor.shape, scaled)))
  node.attributes.delete(attribute)
}

function makeBiasVector(model: Model, graph: Graph, node: Node): void {
  const bias = node.inputs[2]
  const tensor = floatTensor(bias)
  const weight = node.inputs[1]?.tensor?.shape
  if (!bias || !tensor || !weight) return
  const width = at(weight, node.int('transB', 0) ? 0 : 1)
  const count = elementCount(tensor.shape)
  if ((tensor.shape.length === 1 && count === width) || (count !== 1 && tensor.shape.at(-1) !== count)) return
  const values = view(tensor, 'float32')
  const vector = Float32Array.from({ length: width }, (_, i) => values[count === 1 ? 0 : i]!)
  node.setInput(2, addInitializer(model, graph, `${bias.name}_vector`, float32([width], vector)))
}

/** Kernels with constant weights take their activation as it is. */
function turnActivation(model: Model, graph: Graph, node: Node): void {
  const [input, weight] = node.inputs
  if (node.int('transA', 0) === 0 || !input || input.isConstant || !weight?.isConstant) return
  const turned = new Value(freshName(model, `${input.name}_transposed`), input.dtype, input.shape?.toReversed())
  addNode(model, graph, 'Transpose', [input], {
    name: `${node.name}_transpose`,
    outputs: [turned],
    attributes: { perm: ints([1, 0]) },
  })
  node.setInput(0, turned)
  node.attributes.delete('transA')
}

/** the operator set since which a Gemm may leave out C */
const OPTIONAL_BIAS = 11

/** The product stays a Gemm without C (its transposes are attributes), the addition follows. */
function splitOffBias(model: Model, graph: Graph, node: Node): void {
  const bias = node.inputs[2]
  const output = node.outputs[0]
  const opset = model.opsets.get('') ?? OPTIONAL_BIAS
  if (!bias || !output || node.float('beta', 1) !== 1 || opset < OPTIONAL_BIAS) return
  node.truncateInputs(2)
  const attributes = Object.fromEntries([...node.attributes].filter(([name]) => name !== 'beta'))
  const product = new Value(freshName(model, `${output.name}_product`), output.dtype, output.shape)
  replaceNode(model, graph, node, 'Gemm', [...node.inputs], { outputs: [product], attributes })
  addNode(model, graph, 'Add', [product, bias], { name: `${node.name}_bias`, outputs: [output] })
}
