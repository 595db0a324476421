/** Weight-only quantization: matrices in 2, 4 or 8 bits per block, activations in float; kernels expand them where they are used. */

import { WeightOnlyMethod } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import { raiseTo21 } from '../../compat/opset21.ts'
import { feedsOf } from '../../data/batches.ts'
import { drawBatches } from '../../data/split.ts'
import { cloneModel } from '../../ir/clone.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import { allGraphs, type Model, type Node, sortedNodes, type Value } from '../../ir/graph.ts'
import type { ByOperator } from '../../ir/operators.ts'
import { describeNode } from '../../plan/describe.ts'
import { inferBodyTypes } from '../../prepare/body-types.ts'
import { applyTypes, inferTypes } from '../../prepare/types.ts'
import { gpuFloat16 } from '../../targets/gpu-float16.ts'
import { inHalfPrecision } from '../float16/index.ts'
import type { Method, MethodInput } from '../method.ts'
import { decideTogether } from '../shared-weights.ts'
import { openJudge } from '../static/judge.ts'
import { firstReason, weightProblem } from '../weight-problem.ts'
import { convolution } from './convolution.ts'
import { product } from './product.ts'
import { recurrent } from './recurrent.ts'
import { isStack } from './stack.ts'
import { table } from './table.ts'
import { type Decided, type Rewrite, SMALLEST } from './weight.ts'

const REWRITES: ByOperator<Rewrite> = {
  MatMul: product,
  Gemm: product,
  Conv: convolution,
  Gather: table,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
}

export const weightOnlyMethod: Method = async (input) => {
  const options = WeightOnlyMethod.parse(input.recipe.method)
  const { search, steps } = await chooseSearch(input, options)
  const { model, plan, count, example } = build(input, { ...options, search })
  if (count === 0) throw nothingToQuantize(example)
  const isHalf = options.activations === 'float16'
  return {
    model: isHalf ? await withHalfActivations(input, model, options) : model,
    plan: { target: input.target.id, method: 'weight_only', nodes: plan, values: [] },
    quantizedNodes: count,
    macsInteger: null,
    calibration: null,
    options: { ...options, search },
    search: steps,
  }
}

/** The packed model in half precision but for its integers: no product reads or writes through a Cast. */
async function withHalfActivations(input: MethodInput, model: Model, options: WeightOnlyMethod): Promise<Model> {
  const { runtime, workspace, prepared } = input
  applyTypes(model, await inferTypes(model, runtime, workspace, { aside: prepared.large }))
  await inferBodyTypes(model, runtime, workspace)
  const target = { ...gpuFloat16, blocked: gpuFloat16.blocked.filter((opType) => opType !== 'DequantizeLinear') }
  const { converted } = await inHalfPrecision(input, model, { target, keep_io_types: options.keep_io_types })
  return converted
}

/** samples that choose between the two, at most */
const JUDGING_SAMPLES = 32

/** A smaller error of the weights is not always one of the outputs; with data, the outputs decide. */
async function chooseSearch(input: MethodInput, options: WeightOnlyMethod) {
  if (options.search !== 'auto' || !input.batches) return { search: options.search !== false, steps: [] }
  const { runtime, workspace, prepared, recipe } = input
  const batches = await feedsOf(drawBatches(input.batches, JUDGING_SAMPLES, recipe.seed))
  const floatPath = workspace.save('prepared.onnx', prepared.model)
  const judge = await openJudge({ runtime, workspace, floatPath, batches, target: input.target })
  const scoreOf = (search: boolean) => judge.score(build(input, { ...options, search }).model)
  const [plain, found] = [await scoreOf(false), await scoreOf(true)]
  const search = found > plain
  const steps = [
    { step: 'rounding to nearest', sqnr_db: plain, kept: !search },
    { step: 'scale search', sqnr_db: found, kept: search },
  ]
  return { search, steps }
}

function build(input: MethodInput, options: Decided) {
  const model = cloneModel(input.prepared.model)
  if (options.format === 'qdq' || hasStacks(model)) raiseTo21(model)
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => sortedNodes(graph).map((node) => ({ graph, node })))
  const judged = nodes.map((site) => ({
    ...site,
    reason: input.excludes(site.node) ?? refusal(model, site.node, options),
  }))
  const tied = decideTogether(model, judged, ({ opType }) => REWRITES[opType]?.weights ?? [])
  const chosen = judged.filter(({ reason }) => reason === null)
  const plan = judged.map(({ node, reason }) =>
    describeNode(node, reason === null, reason ?? REWRITES[node.opType]!.describes(node, options)),
  )
  const context = { model, tied, known: new Map<string, Value[]>(), restored: new Map<string, Value>() }
  for (const [done, site] of chosen.entries()) {
    input.progress('quantizing', done, chosen.length)
    REWRITES[site.node.opType]!.apply(context, site, options)
  }
  if (options.format === 'operators') model.opsets.set(MICROSOFT, 1)
  return { model, plan, count: chosen.length, example: firstReason(judged) }
}

/** the oldest operator set that can be raised to where DequantizeLinear knows blocks */
const RAISABLE = 13

const isRaisable = ({ opsets }: Model): boolean => (opsets.get('') ?? 0) >= RAISABLE

const hasStacks = (model: Model): boolean =>
  isRaisable(model) &&
  [...allGraphs(model.graph)].some(({ nodes }) =>
    [...nodes].some(({ opType, inputs }) => opType === 'MatMul' && isStack(inputs[1])),
  )

/** Why a node keeps its weight, or null. */
export function refusal(model: Model, node: Node, options: Decided): string | null {
  if (node.domain !== '' || !Object.hasOwn(REWRITES, node.opType)) return 'it multiplies by no matrix'
  if (isStack(node.inputs[1]) && node.opType === 'MatMul' && !isRaisable(model))
    return 'its weight has rank 3 or more, which needs operator set 21, and the model could not be raised to it'
  return REWRITES[node.opType]!.refuses(node, options) ?? weightProblem(node)
}

const nothingToQuantize = (example: string) =>
  new FewbitError(
    'nothing_to_quantize',
    `The model has no MatMul, Gemm, Gather, recurrent layer or convolution that is a product, with a constant float32 matrix of at least ${SMALLEST} elements that can be quantized.${example}`,
    { stage: 'plan' },
  )
