/** How closely every quantized layer of a variant follows the float model, measured at its result. */
import { cloneModel } from '../ir/clone.ts'
import type { Model, Value } from '../ir/graph.ts'
import type { LayerSensitivity } from '../report.ts'
import type { RunTensor } from '../runtime/runner.ts'
import { createFidelityMeter } from '../verify/fidelity.ts'
import type { MethodInput } from './method.ts'
import { buildVariant, type Variant, type VariantInput } from './variant.ts'

/** batches that are compared: every value of one lies in memory at once */
const BATCHES = 2

/** One entry per node whose result is quantized, worst first; everything in front of it is quantized too. */
export async function measureSensitivity(
  { runtime, workspace }: Pick<MethodInput, 'runtime' | 'workspace'>,
  common: VariantInput,
  variant: Variant,
  batches: readonly Record<string, RunTensor>[],
): Promise<LayerSensitivity[]> {
  const { model, pairs } = buildVariant(common, variant)
  const float = cloneModel(variant.base.model)
  const producers = new Map(
    [...float.graph.nodes].flatMap((node) => node.outputs.map((value) => [value?.name, node] as const)),
  )
  // Conversions have parameters of a value too, but come later than its own pair, which is the one that counts.
  const names = new Map(
    [...pairs]
      .toReversed()
      .flatMap(([output, { name }]) => (producers.has(name) ? [[name, output.name] as const] : [])),
  )
  if (names.size === 0) return []
  expose(float, new Set(names.keys()))
  expose(model, new Set(names.values()))
  const run = async (which: Model, fetch: readonly string[]) => {
    // what integer kernels compute follows from the numbers in the file; fusing is not needed to see it
    const session = await runtime.load(workspace.save('sensitivity.onnx', which), { optimization: 'basic' })
    const results: Record<string, RunTensor>[] = []
    for (const feeds of batches.slice(0, BATCHES)) results.push(await session.run(feeds, fetch))
    await session.release()
    return results
  }
  const [expected, found] = [await run(float, [...names.keys()]), await run(model, [...names.values()])]
  const meter = createFidelityMeter([...names.keys()])
  for (const [i, outputs] of expected.entries()) {
    const quantized = [...names].flatMap(([name, output]) => (found[i]![output] ? [[name, found[i]![output]]] : []))
    meter.add(outputs, Object.fromEntries(quantized) as Record<string, RunTensor>, 1)
  }
  const rows = (meter.result()?.outputs ?? []).flatMap(({ name, sqnr_db, cosine }) => {
    const node = producers.get(name)
    return node ? [{ node: node.name, op_type: node.opType, value: name, sqnr_db, cosine, gain_db: null }] : []
  })
  return rows.toSorted((a, b) => a.sqnr_db - b.sqnr_db)
}

function expose({ graph }: Model, names: ReadonlySet<string>): void {
  const known = new Set([...graph.outputs, ...graph.inputs].map(({ name }) => name))
  const produced = [...graph.nodes].flatMap(({ outputs }) => outputs.filter((value): value is Value => value !== null))
  graph.outputs.push(...produced.filter(({ name }) => names.has(name) && !known.has(name)))
}
