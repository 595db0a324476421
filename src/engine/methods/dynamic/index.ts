/** Dynamic quantization: weights are int8, activations become uint8 at run time from their own range. */

import { DynamicMethod } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import { allGraphs, sortedNodes } from '../../ir/graph.ts'
import { describeNode } from '../../plan/describe.ts'
import { compatDynamic } from '../compat/index.ts'
import type { Method } from '../method.ts'
import { decideTogether } from '../shared-weights.ts'
import { shareOfMacs } from '../static/index.ts'
import { firstReason } from '../weight-problem.ts'
import { describeRewrite, openRewrites, refusal, rewriteNode, weightsOf } from './rewrites.ts'

export const dynamicMethod: Method = async (input) => {
  const options = DynamicMethod.parse(input.recipe.method)
  if (options.compat) return compatDynamic(input, options)
  const { per_channel } = options
  const { model, quantizeDomain } = input.prepared
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => sortedNodes(graph).map((node) => ({ graph, node })))
  const judged = nodes.map(({ graph, node }) => ({ graph, node, reason: input.excludes(node) ?? refusal(node) }))
  const tied = decideTogether(model, judged, weightsOf)
  const chosen = judged.filter(({ reason }) => reason === null)
  if (chosen.length === 0) throw nothingToQuantize(firstReason(judged))
  const nodesChosen = new Set(chosen.map(({ node }) => node))
  const macs = shareOfMacs([...model.graph.nodes], (node) => nodesChosen.has(node))
  const plan = judged.map(({ node, reason }) => describeNode(node, reason === null, reason ?? describeRewrite(node)))
  const context = openRewrites(model, per_channel, quantizeDomain, tied)
  for (const [done, { graph, node }] of chosen.entries()) {
    input.progress('quantizing', done, chosen.length)
    rewriteNode(context, graph, node)
  }
  return {
    model,
    plan: { target: input.target.id, method: 'dynamic', nodes: plan, values: [] },
    quantizedNodes: chosen.length,
    macsInteger: macs,
    calibration: null,
    options: { type: 'dynamic', per_channel },
  }
}

const nothingToQuantize = (example: string) =>
  new FewbitError(
    'nothing_to_quantize',
    `The model has no MatMul, Gemm, Gather, LSTM, large GRU or convolution that is a product, with a float32 constant that can be quantized, so dynamic quantization has nothing to do.${example}`,
    { stage: 'plan' },
  )
