/** How closely every quantized layer of a variant follows the float model, measured at its result. */

import type { LayerSensitivity } from '../../../contract/report.ts'
import { onlyProbes } from '../../calibrate/probes.ts'
import { addInitializer, addNode, int } from '../../ir/build.ts'
import { cloneModel } from '../../ir/clone.ts'
import { freshName, type Model, type Node, Value } from '../../ir/graph.ts'
import { mergeInto } from '../../ir/merge.ts'
import { int64 } from '../../ir/tensor.ts'
import type { RunTensor, Session } from '../../runtime/runtime.ts'
import { meaningOn } from '../../verify/meaning.ts'
import { cosine, decibels } from '../../verify/sums.ts'
import type { MethodInput } from '../method.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

/** batches that are compared */
const BATCHES = 2

/**
 * One entry per node whose result is quantized, worst first; everything in front of it is quantized too. Both models run as one, which sums up
 * the differences itself. Results that are not finite have no entry.
 */
export async function measureSensitivity(
  { runtime, workspace }: Pick<MethodInput, 'runtime' | 'workspace'>,
  common: VariantInput,
  variant: Variant,
  batches: readonly Record<string, RunTensor>[],
): Promise<LayerSensitivity[]> {
  const both = cloneModel(variant.base.model)
  const results = new Map<string, Value>()
  for (const { outputs } of both.graph.nodes) for (const value of outputs) if (value) results.set(value.name, value)
  const { model, pairs } = buildVariant(common, variant)
  // Conversions have parameters of a value too, but come later than its own pair, which is the one that counts.
  const quantized = new Map(
    [...pairs].toReversed().flatMap(([pair, { name }]) => (results.has(name) ? [[name, pair] as const] : [])),
  )
  mergeInto(both, model)
  const known = new Set(both.graph.nodes)
  const line = addInitializer(both, both.graph, 'line', int64([1], [1]))
  const outputs = new Map(
    [...quantized].map(([name, pair]) => [results.get(name)!, addSums(both, results.get(name)!, pair, line)] as const),
  )
  if (outputs.size === 0) return []
  onlyProbes(both, known)
  // What integer kernels compute follows from the numbers in the file; fusing is not needed to see it.
  const session = await runtime.load(workspace.save('sensitivity.onnx', both), {
    ...meaningOn(common.target),
    optimization: 'basic',
  })
  const sums = await measureSums(session, [...outputs.values()], batches.slice(0, BATCHES))
  await session.release()
  return [...outputs]
    .flatMap(([value, output]) => rowOf(value, sums.get(output)!) ?? [])
    .toSorted((a, b) => a.sqnr_db - b.sqnr_db)
}

/** Adds Σ float², Σ (float − quantized)² and Σ quantized² as one output, and returns its name. */
function addSums(model: Model, float: Value, quantized: Value, line: Value): string {
  const difference = addNode(model, model.graph, 'Sub', [float, quantized])
  const sums = [float, difference, quantized].map((value) => {
    const squares = addNode(model, model.graph, 'ReduceSumSquare', [value], { attributes: { keepdims: int(0) } })
    return addNode(model, model.graph, 'Reshape', [squares, line])
  })
  // One output, so that the three are computed together and neither model runs ahead of the other with all its values.
  const output = new Value(freshName(model, `${float.name}_sums`), 'float32', [sums.length])
  addNode(model, model.graph, 'Concat', sums, { outputs: [output], attributes: { axis: int(0) } })
  model.graph.outputs.push(output)
  return output.name
}

async function measureSums(
  session: Session,
  outputs: readonly string[],
  batches: readonly Record<string, RunTensor>[],
): Promise<Map<string, number[]>> {
  const sums = new Map(outputs.map((name) => [name, [0, 0, 0]]))
  for (const feeds of batches)
    for (const [name, { data }] of Object.entries(await session.run(feeds, outputs)))
      sums.set(
        name,
        sums.get(name)!.map((sum, i) => sum + Number(data[i])),
      )
  return sums
}

function rowOf({ name, producer }: Value, [signal, noise, quantized]: readonly number[]): LayerSensitivity | null {
  const sums = { signal: signal!, noise: noise!, quantized: quantized!, product: (signal! + quantized! - noise!) / 2 }
  const { name: node, opType } = producer as Node
  return Object.values(sums).every(Number.isFinite)
    ? { node, op_type: opType, value: name, sqnr_db: decibels(sums), cosine: cosine(sums), gain_db: null }
    : null
}
