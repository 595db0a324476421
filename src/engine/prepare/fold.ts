/** What ONNX Runtime does of the preparation: it folds constants, and infers the types of what is left. */

import type { Model } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { decodeModel } from '../onnx/index.ts'
import { foldWeights } from '../out-of-core/fold-weights.ts'
import { attachWeights, detachWeights } from '../out-of-core/weights.ts'
import { forgetTypes } from '../passes/forget-types.ts'
import { runPasses } from '../passes/pass.ts'
import { hasOtherFloats, singlePrecision } from '../passes/single-precision.ts'
import { hasNonstandard, standardOperators } from '../passes/standard/index.ts'
import { upgradeOpset } from '../passes/upgrade-opset.ts'
import type { Runtime, ValueInfo } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { dequantizeWeights, type Grids, hasIntegerWeights, rememberGrids } from './integer-weights.ts'
import { applyTypes, inferTypes } from './types.ts'

export interface Folded {
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  /** Reads the folded, typed model from its file, each time again. */
  load(): Promise<Model>
}

export interface FoldInput {
  /** file of the float model */
  path: string
  /** whether weights that lie behind DequantizeLinear become float constants */
  dequantize: boolean
  /** whether operators that ONNX Runtime inlines, or that its optimizer made, become standard ones */
  standard: boolean
  runtime: Runtime
  workspace: Workspace
}

/** what ONNX Runtime does not fold, also where it is constant */
const LEFT = new Set<Operator>([
  'DequantizeLinear',
  'QuantizeLinear',
  'Expand',
  'RandomNormal',
  'RandomUniform',
  'Bernoulli',
])

/** the operators that others are written with are those of this operator set */
const STANDARD_OPSET = 13

const FOLDED = 'folded.onnx'

/** Folds a model that ONNX Runtime can hold. Throws model_load_failed or model_operator_unsupported. */
export async function foldWhole(input: FoldInput): Promise<Folded> {
  const { path, runtime, workspace } = input
  const foldedPath = workspace.path(FOLDED)
  const ends = await foldFile(path, foldedPath, runtime)
  const { model, isWritten } = await inStandardOperators(input)
  const isOther = hasOtherFloats(model)
  const grids = foldIntegers(model, input)
  if (isOther) runPasses(model, [singlePrecision])
  if (isOther || isWritten) runPasses(model, [forgetTypes])
  if (isOther || isWritten || grids.size > 0)
    await foldFile(workspace.save('rewritten.onnx', model), foldedPath, runtime)
  if (input.standard) await foldInlined(foldedPath, input)
  const computed = await foldComputedIntegers(foldedPath, input)
  const load = async () => {
    const folded = await typed(foldedPath, runtime, workspace)
    rememberGrids(folded, new Map([...grids, ...computed]))
    return folded
  }
  return { ...ends, load }
}

/** The model, where its operators that are not standard were written with others: ONNX Runtime has not inlined them yet. */
async function inStandardOperators(input: FoldInput): Promise<{ model: Model; isWritten: boolean }> {
  const { path, standard, runtime, workspace } = input
  const { model } = decodeModel(path)
  const opset = model.opsets.get('') ?? 0
  if (!standard || !hasNonstandard(model)) return { model, isWritten: false }
  const isOld = opset < STANDARD_OPSET && upgradeOpset(model, opset, STANDARD_OPSET).length > 0
  if (isOld) return { model: decodeModel(path).model, isWritten: false }
  applyTypes(model, await inferTypes(model, runtime, workspace, { aside: false }))
  runPasses(model, [standardOperators])
  return { model, isWritten: true }
}

/** What ONNX Runtime inlined behind its folding is folded in a second run. */
async function foldInlined(foldedPath: string, { runtime, workspace }: FoldInput): Promise<void> {
  const { model } = decodeModel(foldedPath)
  if (hasConstantNodes(model)) await foldFile(workspace.save('inlined.onnx', model), foldedPath, runtime)
}

const hasConstantNodes = ({ graph: { nodes } }: Model): boolean =>
  [...nodes].some(
    ({ opType, domain, inputs, subgraphs }) =>
      domain === '' &&
      !LEFT.has(opType) &&
      subgraphs.length === 0 &&
      inputs.length > 0 &&
      inputs.every((value) => value === null || value.isConstant),
  )

const foldIntegers = (model: Model, { dequantize }: FoldInput): Grids =>
  dequantize && hasIntegerWeights(model) ? dequantizeWeights(model) : new Map()

/** Integers that were computed from constants are constants only now. */
async function foldComputedIntegers(foldedPath: string, input: FoldInput): Promise<Grids> {
  const { runtime, workspace } = input
  const { model } = decodeModel(foldedPath)
  const grids = foldIntegers(model, input)
  if (grids.size > 0) await foldFile(workspace.save('rewritten.onnx', model), foldedPath, runtime)
  return grids
}

/** Folds a model whose weights stay in files all the time. Throws model_load_failed or model_operator_unsupported. */
export async function foldAside(input: FoldInput): Promise<Folded> {
  const { path, runtime, workspace } = input
  const { model } = decodeModel(path)
  model.keep = workspace.keep
  const grids = foldIntegers(model, input)
  await foldWeights(model, runtime, workspace)
  if (hasOtherFloats(model)) runPasses(model, [singlePrecision, forgetTypes])
  const weights = detachWeights(model)
  const isOwn = ({ name }: ValueInfo) => !weights.has(name)
  const foldedPath = workspace.path(FOLDED)
  const { inputs, outputs } = await foldFile(workspace.save('skeleton.onnx', model), foldedPath, runtime)
  const load = async () => {
    const folded = await typed(foldedPath, runtime, workspace)
    attachWeights(folded, weights)
    rememberGrids(folded, grids)
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
  const { model } = decodeModel(path)
  applyTypes(model, await inferTypes(model, runtime, workspace, { aside: false }))
  return model
}
