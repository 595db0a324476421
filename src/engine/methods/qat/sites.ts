/** Where a quantized model rounds: its Q/DQ pairs by the scale that they share, its integer constants, its int32 biases. */

import type { Parameters } from '../../insert/insert.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { view } from '../../ir/tensor.ts'
import type { ConstantPlan } from '../../plan/plan.ts'
import type { QType, QuantSpec } from '../../quant/math.ts'
import { integersOfTensor } from '../../quant/packed.ts'
import type { Built } from '../static/variant.ts'

/** Values that are rounded with one scale. */
export interface Group {
  key: string
  spec: QuantSpec
  scale: number
  zeroPoint: number
  /** the range comes from data, so that it may be trained */
  trainable: boolean
  /** the planned values */
  values: Value[]
  /** DequantizeLinear nodes of their pairs */
  pairs: Node[]
}

/** An integer constant that stands for a float one. */
export interface ConstantSite {
  key: string
  dequantize: Node
  /** the float numbers */
  values: Float32Array
  shape: readonly number[]
  /** of its first reader */
  plan: ConstantPlan
  scales: Float32Array
  zeroPoints: Float32Array
  /** it has this group's scale */
  group: Group | null
}

/** An int32 bias, whose scale is that of the input times that of the weight. */
export interface BiasSite {
  key: string
  dequantize: Node
  values: Float32Array
  input: Group | ConstantSite
  weight: ConstantSite
}

export interface Sites {
  groups: Group[]
  constants: ConstantSite[]
  biases: BiasSite[]
}

/** Finds the sites of a freshly built variant. Keys are the same for every build of the same variant. */
export function findSites(built: Built): Sites {
  const groups = findGroups(built)
  const groupOf = (value: Value) => groups.find(({ values }) => values.includes(value)) ?? null
  const constants = findConstants(built, groupOf)
  return { groups, constants, biases: findBiases(built, groupOf, constants) }
}

/** The float numbers of the integer constants. */
export const weightsByKey = (built: Built): Map<string, Float32Array> =>
  new Map(findSites(built).constants.map(({ key, values }) => [key, values]))

/** Values of one group have one `spec` object in their parameters. */
function findGroups({ plan, parameters, pairs, model }: Built): Group[] {
  const groups = new Map<QuantSpec, Group>()
  for (const value of plan.values.keys()) {
    const found = parameters.get(value)
    if (!found) continue
    const group = groups.get(found.spec) ?? openGroup(value, found, plan.values.get(value)?.kind)
    group.values.push(value)
    groups.set(found.spec, group)
  }
  for (const [output, value] of pairs) {
    const group = groups.get(parameters.get(value)!.spec)
    if (output.producer && model.graph.nodes.has(output.producer)) group?.pairs.push(output.producer)
  }
  return [...groups.values()]
}

const openGroup = (value: Value, { spec, scales, zeroPoint }: Parameters, kind: string | undefined): Group => ({
  key: value.name,
  spec,
  scale: scales[0]!,
  zeroPoint,
  trainable: kind === 'own',
  values: [],
  pairs: [],
})

function findConstants({ plan }: Built, groupOf: (value: Value) => Group | null): ConstantSite[] {
  const found = new Map<Node, ConstantSite>()
  for (const constant of plan.constants) {
    const dequantize = constant.node.inputs[constant.index]?.producer
    if (dequantize && !found.has(dequantize))
      found.set(dequantize, constantSite(dequantize, constant, plan.ties, groupOf))
  }
  return [...found.values()]
}

function constantSite(
  dequantize: Node,
  plan: ConstantPlan,
  ties: readonly (readonly Value[])[],
  groupOf: (value: Value) => Group | null,
): ConstantSite {
  const { value } = plan
  const [, scale, zeroPoint] = dequantize.inputs
  const tied = ties.find((tie) => tie.includes(value))?.find((other) => groupOf(other))
  if (!value.tensor || !scale?.tensor || !zeroPoint?.tensor) throw new Error(`constant "${value.name}" has no integers`)
  return {
    key: dequantize.outputs[0]!.name,
    dequantize,
    values: view(value.tensor, 'float32'),
    shape: value.tensor.shape,
    plan,
    scales: view(scale.tensor, 'float32'),
    zeroPoints: Float32Array.from(integersOfTensor(zeroPoint.tensor, zeroPoint.tensor.dtype as QType)),
    group: tied ? groupOf(tied) : null,
  }
}

function findBiases(
  { plan }: Built,
  groupOf: (value: Value) => Group | null,
  constants: readonly ConstantSite[],
): BiasSite[] {
  const byNode = new Map(constants.map((site) => [site.dequantize, site]))
  return [...plan.biases].flatMap(([node, { input, bias }]) => {
    const dequantize = node.inputs.find((value) => value?.producer?.inputs[0]?.dtype === 'int32')?.producer
    const source = groupOf(input) ?? byNode.get(node.inputs[0]?.producer as Node)
    const weight = byNode.get(node.inputs[1]?.producer as Node)
    if (!dequantize || !source || !weight || !bias.tensor) return []
    const key = dequantize.outputs[0]!.name
    return [{ key, dequantize, values: view(bias.tensor, 'float32'), input: source, weight }]
  })
}
