/** Dynamic quantization: weights are int8, activations become uint8 at run time from their own range. */
import { FewbitError } from '../../../shared/errors.ts'
import { allGraphs, type Node, sortedNodes } from '../../ir/graph.ts'
import { elementCount } from '../../ir/tensor.ts'
import { describeNode } from '../../quant/describe.ts'
import { DynamicMethod } from '../../recipe.ts'
import { compatDynamic } from '../compat.ts'
import type { Method } from '../method.ts'
import { shareOfMacs } from '../static.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'
import { lstm } from './lstm.ts'
import { gemm, matMul } from './product.ts'
import { gather } from './table.ts'

const REWRITES: Readonly<Record<string, Rewrite>> = { MatMul: matMul, Gemm: gemm, Gather: gather, LSTM: lstm }

export const dynamicMethod: Method = async (input) => {
  const options = DynamicMethod.parse(input.recipe.method)
  if (options.compat) return compatDynamic(input, options)
  const { per_channel } = options
  const { model, quantizeDomain } = input.prepared
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => sortedNodes(graph).map((node) => ({ graph, node })))
  const judged = nodes.map(({ graph, node }) => ({ graph, node, reason: input.excludes(node) ?? refusal(node) }))
  const chosen = judged.filter(({ reason }) => reason === null)
  if (chosen.length === 0) throw nothingToQuantize()
  const macs = shareOfMacs([...model.graph.nodes], new Set(chosen.map(({ node }) => node)))
  const plan = judged.map(({ node, reason }) =>
    describeNode(node, reason === null, reason ?? REWRITES[node.opType]!.reason),
  )
  const context: DynamicContext = {
    model,
    perChannel: per_channel,
    domain: quantizeDomain,
    activations: new Map(),
    weights: new Map(),
  }
  for (const [done, { graph, node }] of chosen.entries()) {
    input.progress('quantizing', done, chosen.length)
    REWRITES[node.opType]!.apply(context, graph, node)
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

const nothingToQuantize = () =>
  new FewbitError(
    'nothing_to_quantize',
    'The model has no MatMul, Gemm, Gather or LSTM with a float32 constant, so dynamic quantization has nothing to do.',
    {
      stage: 'plan',
      hint: 'use the method static for convolutional networks',
    },
  )

/** Why a node stays float, or null. */
function refusal(node: Node): string | null {
  if (node.domain !== '' || !Object.hasOwn(REWRITES, node.opType))
    return 'dynamic quantization has no integer form of this operator'
  const { weightIndex, smallestRank } = REWRITES[node.opType]
  const weight = floatConstant(node.inputs[weightIndex])
  if (!weight) return 'its weight is not a float32 constant'
  if (weight.shape.length < smallestRank || elementCount(weight.shape) === 0) return 'its weight is not a matrix'
  return REWRITES[node.opType].refuses?.(node, weight) ?? null
}
