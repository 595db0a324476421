/** Gives every value of a graph a fixed shape, for inputs of given sizes; ONNX Runtime infers them. */
import type { Model, Value } from '../ir/graph.ts'
import type { Runtime } from '../runtime/runner.ts'
import type { Workspace } from '../workspace.ts'

const FILE = 'specialized.onnx'

/** `inputs` holds the sizes of every graph input by name. The model is changed. Throws model_load_failed when they do not fit. */
export async function specialize(
  model: Model,
  inputs: ReadonlyMap<string, readonly number[]>,
  runtime: Runtime,
  workspace: Workspace,
): Promise<void> {
  const { graph } = model
  for (const input of graph.inputs) input.shape = inputs.get(input.name) ?? input.shape
  const values = [...graph.nodes].flatMap(({ outputs }) => outputs.filter((value): value is Value => value !== null))
  for (const value of values) value.shape = undefined
  const outputs = [...graph.outputs]
  graph.outputs.push(...values.filter((value) => !outputs.includes(value)))
  const session = await runtime.load(workspace.save(FILE, model), { optimization: 'disabled' })
  graph.outputs.splice(0, graph.outputs.length, ...outputs)
  const types = new Map(session.outputs.map((info) => [info.name, info]))
  await session.release()
  for (const value of values) {
    const info = types.get(value.name)
    value.dtype = info?.dtype ?? value.dtype
    value.shape = info?.shape
  }
}
