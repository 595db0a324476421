/** Raises a model to operator set 21, the first whose QuantizeLinear knows 16-bit types. */

import { addNode, int } from '../ir/build.ts'
import { MICROSOFT } from '../ir/domain.ts'
import { type Attribute, allGraphs, type Graph, type Model, type Node, sortedNodes } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { int64 } from '../ir/tensor.ts'
import { wordsOf } from '../ir/words.ts'
import { QTYPES } from '../quant/math.ts'
import { opsetOf, requireOpset } from './opset.ts'
import type { CompatOptions } from './options.ts'
import { overriddenTypes } from './overrides.ts'

const TARGET = 21
/** older operators changed their meaning on the way */
const OLDEST = 13

/** Source: update_opset_version. 4-bit types alone raise nothing: they are written with Microsoft's operators. */
export function raiseForWideTypes(
  model: Model,
  { activationType, weightType, overrides, blockSize }: CompatOptions,
): void {
  const types = [activationType, weightType, ...overriddenTypes(overrides)]
  if (types.some((qtype) => QTYPES[qtype].bits === 16) || blockSize !== undefined) raiseTo21(model)
}

/** The domain of Q and DQ: where the standard ones lack a type, Microsoft's have it. */
export function domainFor(model: Model, { domain, activationType, weightType, overrides }: CompatOptions): string {
  const types = [activationType, weightType, ...overriddenTypes(overrides)]
  const lacks = opsetOf(model) < TARGET && types.some((qtype) => QTYPES[qtype].bits !== 8)
  return domain === '' && lacks ? MICROSOFT : domain
}

/** Raises a model of operator set 13 or newer. Throws compat_unsupported for an older one. */
export function raiseTo21(model: Model): void {
  const opset = opsetOf(model)
  if (opset >= TARGET) return
  requireOpset(model, OLDEST)
  for (const graph of allGraphs(model.graph))
    for (const node of sortedNodes(graph))
      for (const step of STEPS)
        if (opset < step.since && node.domain === '' && step.operators.includes(node.opType))
          step.raise(model, graph, node)
  model.opsets.set('', TARGET)
}

/** `axes` became an input. */
function axesToInput(model: Model, graph: Graph, node: Node): void {
  const axes = node.ints('axes')
  node.attributes.delete('axes')
  if (!axes) return
  const value: Attribute = { kind: 'tensor', value: int64([axes.length], axes) }
  node.setInput(1, addNode(model, graph, 'Constant', [], { output: `${node.name}_axes`, attributes: { value } }))
}

/** Split says how many parts it makes when their sizes are not given. */
function countParts(_model: Model, _graph: Graph, node: Node): void {
  if (!node.inputs[1]) node.attributes.set('num_outputs', int(node.outputs.length))
}

const STEPS: readonly {
  since: number
  operators: readonly Operator[]
  raise: (model: Model, graph: Graph, node: Node) => void
}[] = [
  {
    since: 18,
    operators: [
      ...wordsOf('ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2'),
      ...wordsOf('ReduceLogSum ReduceLogSumExp ReduceSumSquare'),
    ],
    raise: axesToInput,
  },
  { since: 18, operators: ['Split'], raise: countParts },
]
