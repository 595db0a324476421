/** The dtype and shape of every value, as ONNX Runtime infers them: each value is made an output and its metadata read. */
import type { Model, Value } from '../ir/graph.ts'
import type { Tensor } from '../ir/tensor.ts'
import { attachWeights, detachWeights } from '../out-of-core/weights.ts'
import type { Runtime, Session, ValueInfo } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'

interface TypesOptions {
  /** whether large constants stay out of the session */
  aside: boolean
}

export interface Types {
  of: ReadonlyMap<string, ValueInfo>
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
}

/** Infers the types of a model, which is as it was afterwards. Throws model_load_failed or model_operator_unsupported. */
export async function inferTypes(
  model: Model,
  runtime: Runtime,
  workspace: Workspace,
  { aside }: TypesOptions,
): Promise<Types> {
  const { inputs, outputs } = model.graph
  const names = { inputs: inputs.map(({ name }) => name), outputs: outputs.map(({ name }) => name) }
  const path = saveProbe(model, workspace, aside)
  const session = await runtime.load(path, { optimization: 'disabled' })
  const types = typesOf(session, names)
  await session.release()
  return types
}

/** Writes the model with every value as an output. */
function saveProbe(model: Model, workspace: Workspace, aside: boolean): string {
  const { outputs } = model.graph
  const [known, count] = [new Set(outputs), outputs.length]
  outputs.push(...producedValues(model).filter((value) => !known.has(value)))
  const weights = aside ? detachWeights(model) : new Map<string, Tensor>()
  const path = workspace.save('typed.onnx', model)
  outputs.length = count
  attachWeights(model, weights)
  return path
}

function typesOf(session: Session, names: { inputs: string[]; outputs: string[] }): Types {
  const of = new Map([...session.inputs, ...session.outputs].map((info) => [info.name, info]))
  const pick = (list: string[]) => list.flatMap((name) => of.get(name) ?? [])
  return { of, inputs: pick(names.inputs), outputs: pick(names.outputs) }
}

/** Writes the types into the model's values. */
export function applyTypes(model: Model, { of }: Types): void {
  for (const value of producedValues(model)) {
    const info = of.get(value.name)
    if (!info?.dtype) continue
    value.dtype = info.dtype
    // ONNX Runtime reports an unknown rank as no dimensions; what the file says tells the two apart.
    if (info.shape.length > 0) value.shape = info.shape
  }
}

const producedValues = ({ graph }: Model): Value[] =>
  [...graph.nodes].flatMap((node) => node.outputs.filter((value): value is Value => value !== null))
