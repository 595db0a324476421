/** Operators that ONNX Runtime inlines into many small ones, or that only its own optimizer writes, as standard operators. */
import { allGraphs, type Graph, type Model, type Node, replaceUses, type Value } from '../../ir/graph.ts'
import type { Pass } from '../pass.ts'
import { attention } from './attention.ts'
import { embedLayerNorm } from './embed-layer-norm.ts'
import { fusedConv, fusedGemm, fusedMatMul } from './fused-layers.ts'
import { biasGelu, fastGelu, quickGelu } from './gelu.ts'
import { groupNorm } from './group-norm.ts'
import { skipLayerNorm, skipSimplifiedLayerNorm } from './skip-layer-norm.ts'
import { type Rewrite, writerAt } from './writer.ts'

/** They may read the types and shapes of values. */
const REWRITES: ReadonlyMap<string, Rewrite> = new Map([
  ['GroupNormalization', groupNorm],
  ['com.microsoft:FusedConv', fusedConv],
  ['com.microsoft:FusedGemm', fusedGemm],
  ['com.microsoft:FusedMatMul', fusedMatMul],
  ['com.microsoft:TransposeMatMul', fusedMatMul],
  ['com.microsoft:BiasGelu', biasGelu],
  ['com.microsoft:FastGelu', fastGelu],
  ['com.microsoft:QuickGelu', quickGelu],
  ['com.microsoft:SkipLayerNormalization', skipLayerNorm],
  ['com.microsoft:SkipSimplifiedLayerNormalization', skipSimplifiedLayerNorm],
  ['com.microsoft:EmbedLayerNormalization', embedLayerNorm],
  ['com.microsoft:Attention', attention],
])

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
  const results = rewriteOf(node)?.(writerAt(model, graph, node))
  const outputs = [...node.outputs]
  const isWritten = (value: Value | null, i: number) => !value || !isRead(value, graph) || results?.[i] !== undefined
  if (!results || !outputs.every(isWritten)) return
  const { name } = node
  graph.removeNode(node)
  for (const [i, output] of outputs.entries()) if (output && results[i]) standFor(results[i], output)
  const last = outputs[0]?.producer
  if (last && name) last.name = name
}

const isRead = (value: Value, { outputs }: Graph): boolean => value.consumers.size > 0 || outputs.includes(value)

/** The result is written, and read, as the value from here on. */
function standFor(result: Value, value: Value): void {
  const producer = result.producer!
  replaceUses(result, value)
  producer.setOutput(producer.outputs.indexOf(result), value)
}
