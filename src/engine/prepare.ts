/** Stage `prepare`: an uploaded file becomes a folded, typed graph of opset 13 or newer; ONNX Runtime does the folding and the typing. */
import type { Model, Value } from './ir/graph.ts'
import { decodeModel } from './onnx/index.ts'
import { constantArithmetic } from './passes/constant-arithmetic.ts'
import { finiteMasks } from './passes/finite-masks.ts'
import { fixShapes } from './passes/fix-shapes.ts'
import { foldAffine } from './passes/fold-affine.ts'
import { forgetTypes } from './passes/forget-types.ts'
import { meanToPool } from './passes/mean-to-pool.ts'
import { normalizeGemm } from './passes/normalize-gemm.ts'
import { type Pass, runPasses } from './passes/pass.ts'
import { plainNames } from './passes/plain-names.ts'
import { removeUnused } from './passes/remove-unused.ts'
import { hasOtherFloats, singlePrecision } from './passes/single-precision.ts'
import { upgradeOpset } from './passes/upgrade-opset.ts'
import type { Runtime, ValueInfo } from './runtime/runner.ts'
import type { Workspace } from './workspace.ts'

export const PREPARE: readonly Pass[] = [
  plainNames,
  finiteMasks,
  normalizeGemm,
  constantArithmetic,
  foldAffine,
  meanToPool,
  removeUnused,
]

/** what onnxruntime.quantization's own preparation leaves to do after ONNX Runtime's folding */
export const PREPARE_COMPAT: readonly Pass[] = [removeUnused]

const CONTRIB = 'com.microsoft'

export interface PrepareOptions {
  passes?: readonly Pass[]
  /** shapes of inputs by name */
  shapes?: Readonly<Record<string, readonly number[]>>
  /** whether no dimension may stay free */
  fixed?: boolean
  /** whether models in other precisions compute in float32 from here on */
  single?: boolean
}

export interface Prepared {
  /** the upload, re-encoded as one file: the float reference of every measurement */
  floatPath: string
  floatOpset: number
  model: Model
  /** domain of the QuantizeLinear and DequantizeLinear to insert: '' or com.microsoft where the opset could not be raised */
  quantizeDomain: string
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  warnings: { code: string; detail: string }[]
}

/** Prepares the model at `path`. Throws model_* errors for files that ONNX Runtime refuses. */
export async function prepare(
  path: string,
  minOpset: number,
  runtime: Runtime,
  workspace: Workspace,
  { passes = PREPARE, shapes = {}, fixed = false, single = true }: PrepareOptions = {},
): Promise<Prepared> {
  const original = decodeModel(path)
  const fixedInputs = fixShapes(original.model, shapes, fixed)
  const floatOpset = original.model.opsets.get('') ?? 0
  const floatPath = workspace.save('float.onnx', original.model)
  const foldedPath = workspace.path('folded.onnx')
  const session = await runtime.load(floatPath, { optimization: 'basic', saveTo: foldedPath })
  const { outputs } = session
  const inputs = session.inputs.map((info) => markUnknownRank(info, original.model))
  await session.release()
  if (single && hasOtherFloats(original.model)) await foldSingle(floatPath, foldedPath, runtime, workspace)
  const load = () => typed(foldedPath, runtime, workspace)
  const { model, problems } = await raise(load, minOpset)
  runPasses(model, passes)
  return {
    floatPath,
    floatOpset,
    model,
    quantizeDomain: problems.length > 0 ? CONTRIB : '',
    inputs,
    outputs,
    warnings: [
      ...original.warnings.map((detail) => ({ code: 'model', detail })),
      ...problems.map(notRaised),
      ...fixedInputs.map((detail) => ({ code: 'shape_fixed', detail })),
    ],
  }
}

/** The folded model once more, of a copy in single precision. */
async function foldSingle(from: string, to: string, runtime: Runtime, workspace: Workspace): Promise<void> {
  const { model } = decodeModel(from)
  runPasses(model, [singlePrecision, forgetTypes])
  const path = workspace.save('single.onnx', model)
  const session = await runtime.load(path, { optimization: 'basic', saveTo: to })
  await session.release()
}

/** ONNX Runtime reports an unknown rank as no dimensions; the file tells it from a scalar. */
function markUnknownRank(info: ValueInfo, { graph }: Model): ValueInfo {
  const declared = graph.inputs.find(({ name }) => name === info.name)
  return declared && declared.shape === undefined ? { ...info, rankUnknown: true } : info
}

const notRaised = (detail: string) => ({
  code: 'opset_kept',
  detail: `the operator set was not raised because ${detail}; quantization operators of the domain ${CONTRIB} are used instead`,
})

/** The model at opset `target` or newer, or as it is together with the reasons. */
async function raise(load: () => Promise<Model>, target: number): Promise<{ model: Model; problems: string[] }> {
  const model = await load()
  const opset = model.opsets.get('') ?? target
  if (opset >= target) return { model, problems: [] }
  const problems = upgradeOpset(model, opset, target)
  if (problems.length === 0) return { model, problems }
  const untouched = await load()
  untouched.opsets.set(CONTRIB, 1)
  return { model: untouched, problems }
}

/** The model with the dtype and shape of every value, as ONNX Runtime infers them: each value is made an output and its metadata read. */
async function typed(path: string, runtime: Runtime, workspace: Workspace): Promise<Model> {
  const probe = decodeModel(path).model
  const outputs = new Set(probe.graph.outputs)
  probe.graph.outputs.push(...valuesOf(probe).filter((value) => !outputs.has(value)))
  const session = await runtime.load(workspace.save('typed.onnx', probe), { optimization: 'disabled' })
  const types = new Map(session.outputs.map((info) => [info.name, info]))
  await session.release()
  const { model } = decodeModel(path)
  for (const value of valuesOf(model)) applyType(value, types.get(value.name))
  return model
}

const valuesOf = ({ graph }: Model): Value[] =>
  [...graph.nodes].flatMap((node) => node.outputs.filter((value): value is Value => value !== null))

function applyType(value: Value, info: ValueInfo | undefined): void {
  if (!info?.dtype) return
  value.dtype = info.dtype
  // ONNX Runtime reports an unknown rank as no dimensions; what the file says tells the two apart.
  if (info.shape.length > 0) value.shape = info.shape
}
