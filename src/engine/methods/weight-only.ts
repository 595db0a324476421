/** Weight-only quantization: matrices in 4 or 8 bits per block, activations in float; MatMulNBits expands them where it multiplies. */
import { FewbitError } from '../../shared/errors.ts'
import { addInitializer, addNode, int } from '../ir/build.ts'
import { cloneModel } from '../ir/clone.ts'
import { allGraphs, type Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { elementCount, float32, tensorOf, view } from '../ir/tensor.ts'
import { quantizeBlockwise } from '../quant/blockwise.ts'
import { describeNode } from '../quant/describe.ts'
import { WeightOnlyMethod } from '../recipe.ts'
import type { RunTensor } from '../runtime/runner.ts'
import { openJudge } from './judge.ts'
import type { Method, MethodInput } from './method.ts'

const DOMAIN = 'com.microsoft'
/** smaller matrices cost more in scales than they save */
const SMALLEST = 4096
/** activations as int8 blocks; the only fast kernel for 8 bits on x86 */
const INT8_COMPUTE = 4

interface Product {
  graph: Graph
  node: Node
}

export const weightOnlyMethod: Method = async (input) => {
  const options = WeightOnlyMethod.parse(input.recipe.method)
  const { search, steps } = await chooseSearch(input, options)
  const { model, plan, count } = build(input, { ...options, search })
  if (count === 0) throw nothingToQuantize()
  return {
    model,
    plan: { target: input.target.id, method: 'weight_only', nodes: plan, values: [] },
    quantizedNodes: count,
    macsInteger: null,
    calibration: null,
    options: { ...options, search },
    search: steps,
  }
}

/** samples that choose between the two, at most */
const JUDGING_BATCHES = 8

/** A smaller error of the weights is not always one of the outputs; with data, the outputs decide. */
async function chooseSearch(input: MethodInput, options: WeightOnlyMethod) {
  if (options.search !== 'auto' || !input.batches) return { search: options.search !== false, steps: [] }
  const batches: Record<string, RunTensor>[] = []
  for await (const feeds of input.batches) if (batches.length < JUDGING_BATCHES) batches.push(feeds)
  const { runtime, workspace, prepared } = input
  const floatPath = workspace.save('prepared.onnx', prepared.model)
  const judge = await openJudge({ runtime, workspace, floatPath, batches })
  const scoreOf = (search: boolean) => judge.score(build(input, { ...options, search }).model)
  const [plain, found] = [await scoreOf(false), await scoreOf(true)]
  const search = found > plain
  const steps = [
    { step: 'rounding to nearest', sqnr_db: plain, kept: !search },
    { step: 'scale search', sqnr_db: found, kept: search },
  ]
  return { search, steps }
}

type Decided = Omit<WeightOnlyMethod, 'search'> & { search: boolean }

function build(input: MethodInput, options: Decided) {
  const model = cloneModel(input.prepared.model)
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => sortedNodes(graph).map((node) => ({ graph, node })))
  const judged = nodes.map((product) => ({ ...product, reason: input.excludes(product.node) ?? refusal(product.node) }))
  const chosen = judged.filter(({ reason }) => reason === null)
  const plan = judged.map(({ node, reason }) =>
    describeNode(node, reason === null, reason ?? `${options.bits}-bit weights in blocks of ${options.block_size}`),
  )
  for (const [done, product] of chosen.entries()) {
    input.progress('quantizing', done, chosen.length)
    rewrite(model, product, options)
  }
  model.opsets.set(DOMAIN, 1)
  return { model, plan, count: chosen.length }
}

const nothingToQuantize = () =>
  new FewbitError(
    'nothing_to_quantize',
    `The model has no MatMul or Gemm with a constant float32 matrix of at least ${SMALLEST} elements.`,
    { stage: 'plan', hint: 'use the method static for convolutional networks' },
  )

/** Why a node keeps its weight, or null. */
function refusal(node: Node): string | null {
  if (node.domain !== '' || (node.opType !== 'MatMul' && node.opType !== 'Gemm')) return 'it multiplies by no matrix'
  const weight = node.inputs[1]?.tensor
  if (weight?.dtype !== 'float32' || weight.shape.length !== 2) return 'its weight is not a constant float32 matrix'
  if (elementCount(weight.shape) < SMALLEST) return 'its weight is small'
  if (node.opType === 'MatMul') return null
  if (node.int('transA', 0) || node.float('alpha', 1) !== 1 || node.float('beta', 1) !== 1)
    return 'it does more than a product and a sum'
  return null
}

function rewrite(model: Model, { graph, node }: Product, options: Decided): void {
  const [input, weight, bias] = node.inputs
  const [output] = node.outputs
  if (!input || !weight?.tensor || !output) return
  const [K, N] = node.int('transB', 0) ? [...weight.tensor.shape].reverse() : weight.tensor.shape
  const values = view(weight.tensor, 'float32')
  const matrix = node.int('transB', 0) ? transposed(values, N!, K!) : values
  const constants = addWeight(model, graph, weight.name, matrix, K!, N!, options)
  graph.removeNode(node)
  const attributes = {
    K: int(K!),
    N: int(N!),
    bits: int(options.bits),
    block_size: int(options.block_size),
    accuracy_level: int(INT8_COMPUTE),
  }
  const product = { domain: DOMAIN, attributes, name: node.name }
  if (!bias) {
    addNode(model, graph, 'MatMulNBits', [input, ...constants], { ...product, outputs: [output] })
    return
  }
  const sum = addNode(model, graph, 'MatMulNBits', [input, ...constants], product)
  addNode(model, graph, 'Add', [sum, bias], { name: `${node.name}_bias`, outputs: [output] })
}

function addWeight(
  model: Model,
  graph: Graph,
  name: string,
  matrix: Float32Array,
  K: number,
  N: number,
  options: Decided,
): Value[] {
  const { bits, block_size: blockSize, symmetric, search } = options
  const { packed, scales, zeroPoints, blocks } = quantizeBlockwise(matrix, K, N, { bits, blockSize, symmetric, search })
  const add = (suffix: string, tensor: Parameters<typeof addInitializer>[3]) =>
    addInitializer(model, graph, `${name}_${suffix}`, tensor)
  return [
    add(`Q${bits}`, tensorOf('uint8', [N, blocks, (blockSize * bits) / 8], packed)),
    add('scales', float32([N, blocks], scales)),
    ...(zeroPoints ? [add('zero_points', tensorOf('uint8', [N, zeroPoints.length / N], zeroPoints))] : []),
  ]
}

/** [rows, columns] row-major → [columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!
  return out
}
