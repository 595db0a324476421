/** x − c becomes x + (−c), x ÷ c becomes x · (1 ÷ c): sums and products have integer kernels, differences and quotients have none. */

import { addInitializer, replaceNode } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node } from '../ir/graph.ts'
import type { ByOperator, Operator } from '../ir/operators.ts'
import { float32, view } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

interface Form {
  opType: Operator
  suffix: string
  of: (c: number) => number
}

const FORMS: ByOperator<Form> = {
  Sub: { opType: 'Add', suffix: 'negated', of: (c) => -c },
  Div: { opType: 'Mul', suffix: 'reciprocal', of: (c) => 1 / c },
}

/** `keeps` says which nodes stay as they are. */
export const constantArithmetic = (keeps: (node: Node) => boolean = () => false): Pass => ({
  name: 'constant-arithmetic',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes]) if (!keeps(node)) rewrite(model, graph, node)
  },
})

/** Whether a quotient is what ONNX Runtime, and others, know GELU by: 0.5 · x · (1 + erf(x ÷ √2)). */
export const startsGelu = ({ opType, outputs }: Node): boolean =>
  opType === 'Div' && [...(outputs[0]?.consumers.keys() ?? [])].some((reader) => reader.opType === 'Erf')

function rewrite(model: Model, graph: Graph, node: Node): void {
  const form = node.domain === '' ? FORMS[node.opType] : undefined
  const [left, right] = node.inputs
  if (!form || !left || left.isConstant || right?.tensor?.dtype !== 'float32') return
  const values = view(right.tensor, 'float32').map(form.of)
  if (!values.every(Number.isFinite)) return
  const constant = addInitializer(model, graph, `${right.name}_${form.suffix}`, float32(right.tensor.shape, values))
  replaceNode(model, graph, node, form.opType, [left, constant])
}
