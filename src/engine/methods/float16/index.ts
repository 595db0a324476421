/** Half precision: float32 tensors become float16; what overflows, or has no such form, stays float32. */

import { Float16Method } from '../../../contract/recipe.ts'
import { FewbitError } from '../../../shared/errors.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { cloneModel } from '../../ir/clone.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import { allGraphs, type Model, type Node, sortedNodes } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { levelProducts } from '../../passes/level-products.ts'
import { runPasses } from '../../passes/pass.ts'
import { describeNode } from '../../plan/describe.ts'
import { inferBodyTypes } from '../../prepare/body-types.ts'
import type { FloatTarget } from '../../targets/target.ts'
import { compatFloat16 } from '../compat/index.ts'
import type { Method, MethodInput } from '../method.ts'
import { convertToFloat16, isFloat } from './convert.ts'
import { brokenNodes, constantIslands, islandsOf, magnitudes } from './islands.ts'
import { warnOfUnderflow } from './underflow.ts'

export const float16Method: Method = async (input) => {
  const method = Float16Method.parse(input.recipe.method)
  if (input.prepared.isHalf) throw alreadyHalf()
  if (method.compat) return compatFloat16(input, method)
  const keep_io_types = method.keep_io_types === true
  const { model } = input.prepared
  const target = input.target as FloatTarget
  const warnings = warnOfUnderflow(model.graph, KEPT)
  await inferBodyTypes(model, input.runtime, input.workspace)
  const nodes = sortedNodes(model.graph)
  const { converted, reasons } = await inHalfPrecision(input, model, { target, keep_io_types })
  input.progress('quantizing', 1, 1)
  return {
    model: converted,
    plan: {
      target: target.id,
      method: 'float16',
      nodes: nodes.map((node) =>
        describeNode(node, !reasons.has(node.name), reasons.get(node.name) ?? 'computes in float16'),
      ),
      values: [],
    },
    quantizedNodes: nodes.filter(({ name }) => !reasons.has(name)).length,
    macsInteger: 0,
    calibration: null,
    options: { type: 'float16', keep_io_types },
    warnings,
  }
}

/** A copy of a typed model in half precision, and why some nodes stay float32. Throws nothing_to_quantize where all of them do. */
export async function inHalfPrecision(
  input: MethodInput,
  model: Model,
  { target, keep_io_types }: { target: FloatTarget; keep_io_types: boolean },
): Promise<{ converted: Model; reasons: ReadonlyMap<string, string> }> {
  const nodes = sortedNodes(model.graph)
  const fixed = new Map(nodes.flatMap((node) => fixedReason(node, target, input.excludes)))
  if (nodes.every(({ name }) => fixed.has(name)) || !nodes.some(touchesFloat)) throw nothingToConvert(nodes, fixed)
  const reasons = new Map([...constantIslands(model.graph), ...fixed])
  const write = (keepIoTypes: boolean): Model => {
    const copy = cloneModel(model)
    const kept = [...copy.graph.nodes].filter(({ name }) => reasons.has(name))
    convertToFloat16(copy, target, new Set([...kept, ...keptInBodies(copy, target, input.excludes)]), keepIoTypes)
    runPasses(copy, [levelProducts])
    return copy
  }
  if (input.batches) await findIslands(input, model, input.batches, reasons, () => write(true))
  return { converted: write(keep_io_types), reasons }
}

/** operators of packed weights, which take scales and activations in half precision */
const PACKED: readonly Operator[] = ['MatMulNBits', 'GatherBlockQuantized']

const isPacked = ({ domain, opType }: Node): boolean => domain === MICROSOFT && PACKED.includes(opType)

const KEPT = 'Products with those that are too small as a whole stay float32; look at the fidelity of the others.'

const alreadyHalf = () =>
  new FewbitError('nothing_to_quantize', 'The model is float16 already: its weights and values are half precision.', {
    stage: 'plan',
    hint: 'use the model as it is; fewer bits come from the methods static, dynamic and weight_only, which take float16 models',
  })

/** rounds in which what still breaks is taken out */
const ROUNDS = 8

/** Adds islands to `reasons` until the converted model computes numbers wherever the float model does. */
async function findIslands(
  input: MethodInput,
  model: Model,
  batches: CalibrationBatches,
  reasons: Map<string, string>,
  write: () => Model,
): Promise<void> {
  const float = await magnitudes(input, model, batches)
  for (const [name, reason] of islandsOf(model, float)) if (!reasons.has(name)) reasons.set(name, reason)
  for (let round = 0; round < ROUNDS; round++) {
    const broken = (await brokenNodes(input, write(), float, batches)).filter((name) => !reasons.has(name))
    if (broken.length === 0) return
    for (const name of broken) reasons.set(name, 'its result is no number in float16')
  }
}

function nothingToConvert(nodes: readonly Node[], fixed: ReadonlyMap<string, string>): FewbitError {
  const first = nodes.find((node) => touchesFloat(node) && fixed.has(node.name))
  const why = first
    ? `No operator of the model can compute in float16: for example node "${first.name}" (${first.opType}): ${fixed.get(first.name)}.`
    : 'No operator of the model computes in float32, so there is nothing to convert to float16.'
  return new FewbitError('nothing_to_quantize', why, { stage: 'plan' })
}

const touchesFloat = (node: Node): boolean => node.inputs.some(isFloat) || node.outputs.some(isFloat)

/** Whether every value that the bodies of a node make has a known type. */
const knowsTypes = (node: Node): boolean =>
  node.subgraphs
    .flatMap((body) => [...allGraphs(body)])
    .every(({ inputs, nodes }) =>
      [...inputs, ...[...nodes].flatMap(({ outputs }) => outputs)].every(
        (value) => !value || value.dtype !== undefined,
      ),
    )

/** Nodes inside of bodies that stay float32. */
function keptInBodies({ graph }: Model, target: FloatTarget, excludes: (node: Node) => string | null): Node[] {
  const bodies = [...allGraphs(graph)].filter((inner) => inner !== graph)
  return bodies.flatMap((body) => {
    const islands = constantIslands(body)
    return [...body.nodes].filter((node) => islands.has(node.name) || fixedReason(node, target, excludes).length > 0)
  })
}

function fixedReason(node: Node, target: FloatTarget, excludes: (node: Node) => string | null): [string, string][] {
  const excluded = excludes(node)
  if (excluded) return [[node.name, excluded]]
  if (!knowsTypes(node))
    return [[node.name, 'the types inside of it are unknown: it computes in float32 from weights in float16']]
  if ([...node.inputs, ...node.outputs].some((value) => value && value.dtype === undefined))
    return [[node.name, 'it reads or writes a sequence, whose elements stay float32']]
  if (target.blocked.includes(node.opType)) return [[node.name, `${node.opType} has no float16 form on this target`]]
  return node.domain === '' || isPacked(node)
    ? []
    : [[node.name, `operators of the domain ${node.domain} stay float32`]]
}
