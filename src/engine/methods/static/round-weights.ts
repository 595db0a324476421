/** Rewrites a float model so that its weights lie where adaptive rounding puts them: rounding to nearest then finds the same integers. */

import { onlyProbes } from '../../calibrate/probes.ts'
import { damp, roundRow } from '../../correct/adaround.ts'
import { biasOf, type Layer, layersOf } from '../../correct/channels.ts'
import { addGrams, measureGrams, type Rows, rowsOf } from '../../correct/gram.ts'
import { cloneModel } from '../../ir/clone.ts'
import { float32, type Tensor, view } from '../../ir/tensor.ts'
import type { ConstantPlan } from '../../plan/plan.ts'
import { quantizePerChannel } from '../../quant/math.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { MethodInput } from '../method.ts'
import { type Base, planVariant, type Variant, type VariantInput } from './variant.ts'

/** layers whose matrices are in memory at once, in numbers */
const MOST_NUMBERS = 2 ** 26

interface Task {
  layer: Layer
  rows: Rows
  spec: ConstantPlan
}

/** The base of a variant with rounded weights, and biases that make up for the mean of what is left where the variant corrects them; null without layers to round. */
export async function roundWeights(
  { runtime, workspace }: Pick<MethodInput, 'runtime' | 'workspace'>,
  common: VariantInput,
  variant: Variant,
  batches: readonly Record<string, RunTensor>[],
): Promise<Base | null> {
  const model = cloneModel(variant.base.model)
  const tasks = tasksOf(common, variant, layersOf(model.graph))
  if (tasks.length === 0) return null
  for (const some of portions(tasks)) {
    const probe = cloneModel(variant.base.model)
    const known = new Set(probe.graph.nodes)
    const outputs = addGrams(probe, new Map(some.map(({ layer, rows }) => [layer.node.name, rows])))
    onlyProbes(probe, known)
    const session = await runtime.load(workspace.save('rounding.onnx', probe), { optimization: 'all' })
    const grams = await measureGrams(session, outputs, batches)
    await session.release()
    for (const task of some) {
      const gram = grams.get(task.layer.node.name)
      if (gram) roundLayer(task, gram, variant)
    }
  }
  return { ...variant.base, model, rounded: true, unrounded: variant.base }
}

/** The layers of the copy whose weights the variant quantizes. */
function tasksOf(common: VariantInput, variant: Variant, layers: ReadonlyMap<unknown, Layer>): Task[] {
  const byName = new Map([...layers.values()].map((layer) => [layer.node.name, layer]))
  return planVariant(common, variant).plan.constants.flatMap((spec) => {
    const layer = byName.get(spec.node.name)
    const rows = layer && spec.role === 'weight' && spec.value.name === layer.weight.name ? rowsOf(layer) : null
    return layer && rows ? [{ layer, rows, spec }] : []
  })
}

function* portions(tasks: readonly Task[]): Generator<Task[]> {
  let portion: Task[] = []
  let numbers = 0
  for (const task of tasks) {
    const more = task.rows.groups * task.rows.length ** 2
    if (portion.length > 0 && numbers + more > MOST_NUMBERS) {
      yield portion
      portion = []
      numbers = 0
    }
    portion.push(task)
    numbers += more
  }
  yield portion
}

function roundLayer({ layer, rows, spec }: Task, gram: Float32Array, { base, biasCorrection }: Variant): void {
  const { groups, length, stride, start } = rows
  const before = view(layer.weight.tensor as Tensor, 'float32')
  const after = before.slice()
  damp(gram, groups, length)
  const quantized = quantizedBy(layer, spec)
  const perGroup = layer.outputs / groups
  for (let row = 0; row < layer.outputs; row++) {
    const { scale, integerOf, isExtreme } = quantized(row)
    const at = (i: number) => start(row) + i * stride
    const weights = Float64Array.from({ length }, (_, i) => before[at(i)]!)
    const integers = weights.map((_, i) => integerOf(at(i)))
    roundRow(
      { weights, integers, scale, pinned: (i) => isExtreme(integers[i]!) },
      gram,
      Math.floor(row / perGroup) * length * length,
    )
    for (const [i, integer] of integers.entries()) after[at(i)] = integer * scale
  }
  layer.weight.tensor = float32((layer.weight.tensor as Tensor).shape, after)
  const means = biasCorrection ? base.means.get(layer.node.name) : undefined
  if (means) shiftBias(layer, before, after, means)
}

/** Scale of a row, its integers without the zero point, and which of them the scale comes from. */
function quantizedBy({ weight, axis }: Layer, spec: ConstantPlan) {
  const { shape } = weight.tensor as Tensor
  const values = view(weight.tensor as Tensor, 'float32')
  const perRow = spec.axis === axis
  const { quantized, scales, zeroPoints } = perRow
    ? quantizePerChannel(values, shape, axis, spec.qtype, spec)
    : quantizePerChannel(values, [1, values.length], 0, spec.qtype, spec)
  let [low, high] = [0, 0]
  for (const integer of quantized) [low, high] = [Math.min(low, integer), Math.max(high, integer)]
  return (row: number) => {
    const channel = perRow ? row : 0
    const zero = zeroPoints[channel]!
    return {
      scale: scales[channel]!,
      integerOf: (at: number) => quantized[at]! - zero,
      isExtreme: (integer: number) => integer + zero <= low || integer + zero >= high,
    }
  }
}

/** Takes the mean of (Ŵ − W)·x out of the bias. */
function shiftBias(layer: Layer, before: Float32Array, after: Float32Array, means: Float32Array): void {
  const bias = biasOf(layer.node)
  if (bias?.tensor?.dtype !== 'float32' || bias.consumers.size !== 1) return
  const shape = (layer.weight.tensor as Tensor).shape
  const inner = shape.slice(layer.axis + 1).reduce((a, b) => a * b, 1)
  const shifted = Float64Array.from(view(bias.tensor, 'float32'))
  if (shifted.length !== layer.outputs) return
  for (let at = 0; at < after.length; at++) {
    const block = Math.floor(at / inner)
    const channel = block % layer.outputs
    const input = layer.inputOf(Math.floor(block / layer.outputs), channel, at % inner)
    shifted[channel]! -= (after[at]! - before[at]!) * means[input]!
  }
  bias.tensor = float32(bias.tensor.shape, shifted)
}
