/** Gives every value of a graph a fixed shape, for inputs of given sizes: as ONNX Runtime infers them, or as they turn out in a run. */
import { ints } from '../../ir/build.ts'
import type { Model, Node, Value } from '../../ir/graph.ts'
import { paddingOfCeiling } from '../../ops/gradients/pooling.ts'
import type { RunTensor, Runtime, Session } from '../../runtime/runtime.ts'
import type { Workspace } from '../../runtime/workspace.ts'

const FILE = 'specialized.onnx'

/** `feeds` are inputs of the sizes that are wanted. The model is changed. Throws model_load_failed or calibration_failed when they do not fit. */
export async function specialize(
  model: Model,
  feeds: Readonly<Record<string, RunTensor>>,
  runtime: Runtime,
  workspace: Workspace,
): Promise<void> {
  const { graph } = model
  const isResized = graph.inputs.some((input) => hasOtherSizes(input, feeds[input.name]))
  for (const input of graph.inputs) input.shape = feeds[input.name]?.dims ?? input.shape
  await settleCeilings(model, feeds, runtime, workspace)
  const values = [...graph.nodes].flatMap(({ outputs }) => outputs.filter((value): value is Value => value !== null))
  for (const value of values) value.shape = undefined
  const exposed = <T>(some: readonly Value[], use: (session: Session) => Promise<T> | T) =>
    withOutputs(model, some, runtime, workspace, use)
  const types = await exposed(values, ({ outputs }) => new Map(outputs.map((info) => [info.name, info])))
  for (const value of values) {
    const info = types.get(value.name)
    value.dtype = info?.dtype ?? value.dtype
    value.shape = info?.shape
  }
  // ONNX Runtime reports an unknown rank as no dimensions, like a scalar.
  const isKnown = ({ shape }: Value) => shape && shape.length > 0 && shape.every((dim) => typeof dim === 'number')
  const open = values.filter((value) => value.dtype && !isKnown(value))
  for (const value of open) value.shape = undefined
  // A size that was written into a Reshape contradicts no inferred shape and still ends the first run.
  if (open.length === 0 && !isResized) return
  const names = isResized ? undefined : open.map(({ name }) => name)
  const results = await exposed(open, (session) => session.run(feeds, names))
  for (const value of open) value.shape = results[value.name]?.dims ?? value.shape
}

const hasOtherSizes = ({ shape }: Value, feed: RunTensor | undefined): boolean =>
  shape?.some((dim, axis) => typeof dim === 'number' && dim !== feed?.dims[axis]) ?? false

/** Pooling that rounds its size up rounds down instead, over as much padding as that takes. */
async function settleCeilings(
  model: Model,
  feeds: Readonly<Record<string, RunTensor>>,
  runtime: Runtime,
  workspace: Workspace,
): Promise<void> {
  const pools = [...model.graph.nodes].filter((node) => node.int('ceil_mode', 0) === 1)
  if (pools.length === 0) return
  const around = [...new Set(pools.flatMap(({ inputs, outputs }) => [inputs[0], outputs[0]]))]
  const computed = around.filter((value): value is Value => Boolean(value?.producer))
  const names = computed.map(({ name }) => name)
  const results = await withOutputs(model, computed, runtime, workspace, (session) => session.run(feeds, names))
  for (const value of computed) value.shape = results[value.name]?.dims ?? value.shape
  for (const pool of pools) roundDown(pool)
}

function roundDown(pool: Node): void {
  const pads = paddingOfCeiling(pool)
  if (!pads) return
  for (const name of ['ceil_mode', 'auto_pad']) pool.attributes.delete(name)
  pool.attributes.set('pads', ints(pads))
}

/** Loads the model with more outputs than it has. */
async function withOutputs<T>(
  model: Model,
  values: readonly Value[],
  runtime: Runtime,
  workspace: Workspace,
  use: (session: Session) => Promise<T> | T,
): Promise<T> {
  const { outputs } = model.graph
  const own = [...outputs]
  outputs.push(...values.filter((value) => !own.includes(value)))
  try {
    const session = await runtime.load(workspace.save(FILE, model), { optimization: 'disabled' })
    try {
      return await use(session)
    } finally {
      await session.release()
    }
  } finally {
    outputs.splice(0, outputs.length, ...own)
  }
}
