/** Stage `prepare`: an uploaded file becomes a folded, typed graph of opset 13 or newer; ONNX Runtime does the folding and the typing. */

import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { InputValue } from '../../contract/recipe.ts'
import { refuseBorders } from '../ir/borders.ts'
import { MICROSOFT } from '../ir/domain.ts'
import type { Model } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { isLarge, settleWeights } from '../out-of-core/weights.ts'
import { explicitTransposes } from '../passes/explicit-transposes.ts'
import { finiteMasks } from '../passes/finite-masks.ts'
import { fixShapes } from '../passes/fix-shapes.ts'
import { fixValues } from '../passes/fix-values.ts'
import { meanToPool } from '../passes/mean-to-pool.ts'
import { normalizeGemm } from '../passes/normalize-gemm.ts'
import { originalNames } from '../passes/original-names.ts'
import { type Pass, runPasses } from '../passes/pass.ts'
import { plainNames } from '../passes/plain-names.ts'
import { removeUnused } from '../passes/remove-unused.ts'
import { hasBfloat16, isHalf, widenBfloat16 } from '../passes/single-precision.ts'
import { upgradeOpset } from '../passes/upgrade-opset.ts'
import type { Runtime, ValueInfo } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { refuseQuantized, warnOfQuantized } from './already-quantized.ts'
import { decideBranches } from './branches.ts'
import { foldAside, foldWhole } from './fold.ts'

/** The graph that is quantized, in the operators that a target computes best; `forTarget` finds or rewrites those. */
export const preparation = (forTarget: readonly Pass[] = []): readonly Pass[] => [
  plainNames,
  finiteMasks,
  normalizeGemm,
  ...forTarget,
  meanToPool,
  removeUnused,
]

/** what onnxruntime.quantization's own preparation leaves to do after ONNX Runtime's folding */
export const PREPARE_COMPAT: readonly Pass[] = [removeUnused]

export interface PrepareOptions {
  passes?: readonly Pass[]
  /** shapes of inputs by name */
  shapes?: Readonly<Record<string, readonly number[]>>
  /** values that inputs always have, by name */
  values?: Readonly<Record<string, InputValue>>
  /** whether no dimension may stay free */
  fixed?: boolean
  /** whether weights that lie behind DequantizeLinear become float constants */
  dequantize?: boolean
  /** whether operators that ONNX Runtime inlines, or that its optimizer made, become standard ones */
  standard?: boolean
  /** what is done about a model that is quantized already */
  quantized?: 'refuse' | 'take packed' | 'warn'
  /** what the process may use: a model that is large for it is never loaded as a whole */
  memoryBytes?: number
}

export interface Prepared {
  /** the upload, re-encoded as one file: the float reference of every measurement */
  floatPath: string
  floatOpset: number
  /** of the upload and of the files beside it that hold its weights */
  floatBytes: number
  model: Model
  /** whether the weights stay in files: no process loads this model as a whole */
  large: boolean
  /** whether the weights of the upload are half precision already */
  isHalf: boolean
  /** domain of the QuantizeLinear and DequantizeLinear to insert: '' or com.microsoft where the opset could not be raised */
  quantizeDomain: string
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  /** whether samples may share a run: not until they were tried */
  sharing: Sharing
  warnings: { code: string; detail: string }[]
}

/** How samples share a run: one after the other along the first axis of every output, along another axis of one, or not at all. */
export type Sharing = 'rows' | 'mixed' | 'none'

/** Prepares the model at `path`. Throws model_* errors for files that ONNX Runtime refuses. */
export async function prepare(
  path: string,
  minOpset: number,
  runtime: Runtime,
  workspace: Workspace,
  options: PrepareOptions = {},
): Promise<Prepared> {
  const { passes = preparation(), shapes = {}, values = {}, fixed = false, memoryBytes } = options
  const { dequantize = true, standard = true, quantized = 'warn' } = options
  const original = decodeModel(path)
  const floatBytes = sizeOf([path, ...original.external.map((name) => join(dirname(path), name))])
  refuseBorders(original.model)
  if (quantized !== 'warn') refuseQuantized(original.model, quantized === 'take packed')
  const widened = widen(original.model)
  runPasses(original.model, [explicitTransposes])
  const large = isLarge(original.model, memoryBytes)
  const quantizedBefore = quantized === 'take packed' ? [] : warnOfQuantized(original.model)
  const fixedInputs = fixShapes(original.model, shapes, fixed)
  fixValues(original.model, values)
  if (!large) await decideBranches(original.model, runtime, workspace)
  const floatOpset = original.model.opsets.get('') ?? 0
  if (large) settleWeights(original.model, workspace)
  const floatPath = workspace.save('float.onnx', original.model)
  const folded = await (large ? foldAside : foldWhole)({ path: floatPath, dequantize, standard, runtime, workspace })
  const { model, problems } = await raise(folded.load, minOpset)
  runPasses(model, [originalNames(original.model), ...passes])
  return {
    floatPath,
    floatOpset,
    floatBytes,
    model,
    large,
    isHalf: isHalf(original.model),
    quantizeDomain: problems.length > 0 ? MICROSOFT : '',
    inputs: folded.inputs.map((info) => markUnknownRank(info, original.model)),
    outputs: folded.outputs,
    sharing: 'rows',
    warnings: [
      ...original.warnings.map((detail) => ({ code: 'model', detail })),
      ...widened,
      ...quantizedBefore,
      ...problems.map(notRaised),
      ...fixedInputs.map((detail) => ({ code: 'shape_fixed', detail })),
    ],
  }
}

const sizeOf = (paths: readonly string[]): number => paths.reduce((sum, path) => sum + statSync(path).size, 0)

/** Takes bfloat16 as float32, and says so: ONNX Runtime has no kernels of it on processors, and cannot be fed with it from here. */
function widen(model: Model): Prepared['warnings'] {
  if (!hasBfloat16(model)) return []
  runPasses(model, [widenBfloat16])
  const detail =
    'the model is in bfloat16, for which ONNX Runtime has no kernels on processors: it is taken as float32, which holds the same numbers, and so are its inputs and outputs'
  return [{ code: 'bfloat16_widened', detail }]
}

/** ONNX Runtime reports an unknown rank as no dimensions; the file tells it from a scalar. */
function markUnknownRank(info: ValueInfo, { graph }: Model): ValueInfo {
  const declared = graph.inputs.find(({ name }) => name === info.name)
  return declared && declared.shape === undefined ? { ...info, rankUnknown: true } : info
}

const notRaised = (detail: string) => ({
  code: 'opset_kept',
  detail: `the operator set was not raised because ${detail}; quantization operators of the domain ${MICROSOFT} are used instead`,
})

/** The model at opset `target` or newer, or as it is together with the reasons. */
async function raise(load: () => Promise<Model>, target: number): Promise<{ model: Model; problems: string[] }> {
  const model = await load()
  const opset = model.opsets.get('') ?? target
  if (opset >= target) return { model, problems: [] }
  const problems = upgradeOpset(model, opset, target)
  if (problems.length === 0) return { model, problems }
  const untouched = await load()
  untouched.opsets.set(MICROSOFT, 1)
  return { model: untouched, problems }
}
