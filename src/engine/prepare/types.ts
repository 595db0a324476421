/** The dtype and shape of every value, as ONNX Runtime infers them: each value is made an output and its metadata read. */
import type { Model, Value } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { detachWeights } from '../out-of-core/weights.ts'
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

/** Infers the types of the model at `path`. Throws model_load_failed or model_operator_unsupported. */
export async function inferTypes(
  path: string,
  runtime: Runtime,
  workspace: Workspace,
  { aside }: TypesOptions,
): Promise<Types> {
  const probe = decodeModel(path).model
  const { inputs, outputs } = probe.graph
  const names = { inputs: inputs.map(({ name }) => name), outputs: outputs.map(({ name }) => name) }
  const known = new Set(outputs)
  outputs.push(...producedValues(probe).filter((value) => !known.has(value)))
  if (aside) detachWeights(probe)
  const session = await runtime.load(workspace.save('typed.onnx', probe), { optimization: 'disabled' })
  const types = typesOf(session, names)
  await session.release()
  return types
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
