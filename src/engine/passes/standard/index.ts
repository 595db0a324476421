/** Operators that ONNX Runtime inlines into many small ones, or that only its own optimizer writes, as standard operators. */
import { allGraphs, type Graph, type Model, type Node } from '../../ir/graph.ts'
import type { Pass } from '../pass.ts'
import { groupNorm } from './group-norm.ts'
import { type Writer, writerAt } from './writer.ts'

/** Each returns whether it wrote the node with others; values have their types. */
const REWRITES: ReadonlyMap<string, (writer: Writer) => boolean> = new Map([['GroupNormalization', groupNorm]])

const rewriteOf = ({ domain, opType }: Node) => REWRITES.get(domain ? `${domain}:${opType}` : opType)

/** Whether a node of the model is one of them. */
export const hasNonstandard = ({ graph }: Model): boolean =>
  [...allGraphs(graph)].some(({ nodes }) => [...nodes].some((node) => rewriteOf(node) !== undefined))

export const standardOperators: Pass = {
  name: 'standard-operators',
  run: (model) => {
    for (const graph of allGraphs(model.graph)) for (const node of [...graph.nodes]) rewrite(model, graph, node)
  },
}

function rewrite(model: Model, graph: Graph, node: Node): void {
  const writesMore = node.outputs
    .slice(1)
    .some((value) => value && (value.consumers.size > 0 || graph.outputs.includes(value)))
  if (node.outputs[0] && !writesMore) rewriteOf(node)?.(writerAt(model, graph, node))
}
