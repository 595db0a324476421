/** Gives every value of a graph a fixed shape, for inputs of given sizes: as ONNX Runtime infers them, or as they turn out in a run. */
import type { Model, Value } from '../../ir/graph.ts'
import type { RunTensor, Runtime, Session } from '../../runtime/runtime.ts'
import type { Workspace } from '../../runtime/workspace.ts'

const FILE = 'specialized.onnx'

/** `feeds` are inputs of the sizes that are wanted. The model is changed. Throws model_load_failed when they do not fit. */
export async function specialize(
  model: Model,
  feeds: Readonly<Record<string, RunTensor>>,
  runtime: Runtime,
  workspace: Workspace,
): Promise<void> {
  const { graph } = model
  for (const input of graph.inputs) input.shape = feeds[input.name]?.dims ?? input.shape
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
  const open = values.filter(({ shape, dtype }) => dtype && !shape?.every((dim) => typeof dim === 'number'))
  if (open.length === 0) return
  const names = open.map(({ name }) => name)
  const results = await exposed(open, (session) => session.run(feeds, names))
  for (const value of open) value.shape = results[value.name]?.dims ?? value.shape
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
