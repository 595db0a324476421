/** What ONNX Runtime does of the preparation: it folds constants, and infers the types of what is left. */
import type { Model } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { foldWeights } from '../out-of-core/fold-weights.ts'
import { attachWeights, detachWeights } from '../out-of-core/weights.ts'
import { forgetTypes } from '../passes/forget-types.ts'
import { runPasses } from '../passes/pass.ts'
import { hasOtherFloats, singlePrecision } from '../passes/single-precision.ts'
import type { Runtime, ValueInfo } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { applyTypes, inferTypes } from './types.ts'

export interface Folded {
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  /** Reads the folded, typed model; each time anew. */
  load(): Promise<Model>
}

export interface FoldInput {
  /** file of the float model */
  path: string
  /** whether models in other precisions compute in float32 from here on */
  single: boolean
  runtime: Runtime
  workspace: Workspace
}

const FOLDED = 'folded.onnx'

/** Folds a model that ONNX Runtime can hold. Throws model_load_failed or model_operator_unsupported. */
export async function foldWhole({ path, single, runtime, workspace }: FoldInput): Promise<Folded> {
  const foldedPath = workspace.path(FOLDED)
  const ends = await foldFile(path, foldedPath, runtime)
  const { model } = decodeModel(path)
  if (single && hasOtherFloats(model)) {
    runPasses(model, [singlePrecision, forgetTypes])
    await foldFile(workspace.save('single.onnx', model), foldedPath, runtime)
  }
  return { ...ends, load: () => typed(foldedPath, runtime, workspace) }
}

/** Folds a model whose weights stay in files all the time. Throws model_load_failed or model_operator_unsupported. */
export async function foldAside({ path, single, runtime, workspace }: FoldInput): Promise<Folded> {
  const { model } = decodeModel(path)
  model.keep = workspace.keep
  await foldWeights(model, runtime, workspace)
  if (single && hasOtherFloats(model)) runPasses(model, [singlePrecision, forgetTypes])
  const weights = detachWeights(model)
  const isOwn = ({ name }: ValueInfo) => !weights.has(name)
  const foldedPath = workspace.path(FOLDED)
  const { inputs, outputs } = await foldFile(workspace.save('skeleton.onnx', model), foldedPath, runtime)
  const load = async () => {
    const folded = await typed(foldedPath, runtime, workspace)
    attachWeights(folded, weights)
    folded.keep = workspace.keep
    return folded
  }
  return { inputs: inputs.filter(isOwn), outputs, load }
}

async function foldFile(from: string, to: string, runtime: Runtime) {
  const session = await runtime.load(from, { optimization: 'basic', saveTo: to })
  const { inputs, outputs } = session
  await session.release()
  return { inputs, outputs }
}

async function typed(path: string, runtime: Runtime, workspace: Workspace): Promise<Model> {
  const types = await inferTypes(path, runtime, workspace, { aside: false })
  const { model } = decodeModel(path)
  applyTypes(model, types)
  return model
}
