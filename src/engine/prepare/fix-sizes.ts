/** Sizes that a model computes as it runs become constants where the target compiles for fixed shapes and the data knows one size only. */
import { addInitializer } from '../ir/build.ts'
import { cloneModel } from '../ir/clone.ts'
import { type Model, replaceUses, type Value } from '../ir/graph.ts'
import { tensorOf } from '../ir/tensor.ts'
import { removeUnused } from '../passes/remove-unused.ts'
import { isFloatValue, steeringNodes } from '../plan/steering.ts'
import type { RunTensor, Runtime } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { applyTypes, inferTypes } from './types.ts'

type Batches = AsyncIterable<Record<string, RunTensor>>

/** Changes the model and infers its shapes again. Returns what was fixed, in words. */
export async function fixSizes(
  model: Model,
  batches: Batches,
  runtime: Runtime,
  workspace: Workspace,
): Promise<string[]> {
  const computed = sizesIn(model)
  if (computed.length === 0) return []
  const found = await constantOnes(model, computed, batches, runtime, workspace)
  const fixed = computed.flatMap((value) => {
    const tensor = found.get(value.name)
    return tensor ? [fix(model, value, tensor)] : []
  })
  removeUnused.run(model)
  applyTypes(model, await inferTypes(model, runtime, workspace, { aside: false }))
  return fixed
}

/** What such nodes compute for others. */
function sizesIn({ graph }: Model): Value[] {
  const steering = steeringNodes(graph, isFloatValue)
  return [...steering].flatMap(({ outputs }) =>
    outputs.filter(
      (value): value is Value => value !== null && [...value.consumers.keys()].some((at) => !steering.has(at)),
    ),
  )
}

/** Those that are the same in every run. */
async function constantOnes(
  model: Model,
  values: readonly Value[],
  batches: Batches,
  runtime: Runtime,
  workspace: Workspace,
): Promise<Map<string, RunTensor>> {
  const probe = cloneModel(model)
  const names = new Set(values.map(({ name }) => name))
  const shown = [...probe.graph.nodes].flatMap(({ outputs }) =>
    outputs.filter((value): value is Value => value !== null && names.has(value.name)),
  )
  probe.graph.outputs.splice(0, probe.graph.outputs.length, ...shown)
  removeUnused.run(probe)
  const session = await runtime.load(workspace.save('sizes.onnx', probe), { optimization: 'basic' })
  const first = new Map<string, RunTensor>()
  try {
    for await (const feeds of batches) {
      const results = await session.run(feeds, [...names])
      for (const name of names) {
        const [known, result] = [first.get(name), results[name]]
        if (result && !known) first.set(name, result)
        else if (!result || !known || !isSame(known, result)) names.delete(name)
      }
      if (names.size === 0) break
    }
  } finally {
    await session.release()
  }
  return new Map([...first].filter(([name]) => names.has(name)))
}

const isSame = (a: RunTensor, b: RunTensor): boolean =>
  `${a.dims}` === `${b.dims}` && a.data.every((x, i) => Object.is(x, b.data[i]))

function fix(model: Model, value: Value, { dtype, dims, data }: RunTensor): string {
  const readers = [...value.consumers.keys()].map(({ name }) => `"${name}"`)
  const tensor = tensorOf(dtype, dims, data as ArrayBufferView)
  replaceUses(value, addInitializer(model, model.graph, `${value.name}_fixed`, tensor))
  return `"${value.name}", which steers ${readers.join(', ')}, was [${data.join(', ')}] on every calibration sample and became constant, because the target compiles for fixed shapes`
}
