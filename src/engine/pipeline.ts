/** The stages of a quantization, and the only place that knows their order. */
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Recipe, RunnerMessage, RunnerSpec } from '../contract/recipe.ts'
import { type Metrics, Report, type Warning } from '../contract/report.ts'
import { FewbitError } from '../shared/errors.ts'
import { VERSION } from '../shared/version.ts'
import { requireValues } from './data/fixed-values.ts'
import { batchesOf, calibrationBatches, comfortableBatch, type Samples } from './data/samples.ts'
import { type Halves, openData, type Split, splitSamples } from './data/split.ts'
import { findFeeds, syntheticBatches } from './data/synthetic.ts'
import { check } from './ir/check.ts'
import type { Model } from './ir/graph.ts'
import { METHODS } from './methods/index.ts'
import type { CalibrationBatches, MethodInput, MethodOutput, TrainingInput } from './methods/method.ts'
import { dataFileOf, decodeModel } from './onnx/index.ts'
import { inParts } from './out-of-core/parts.ts'
import { forgetTypes } from './passes/forget-types.ts'
import { packWeights } from './passes/pack-weights.ts'
import { type Pass, runPasses } from './passes/pass.ts'
import { removeUnused } from './passes/remove-unused.ts'
import { shareInitializers } from './passes/share-initializers.ts'
import { shareTransposed } from './passes/share-transposed.ts'
import { PREPARE_COMPAT, type Prepared, preparation, prepare } from './prepare/index.ts'
import { storeIntegers } from './prepare/integer-weights.ts'
import { excludesOf, rewritesFor } from './prepare/rewrites.ts'
import { createProgressMeter, type ProgressMeter } from './progress.ts'
import { littleQuantized, weightBytesOf } from './report/little-quantized.ts'
import { renderReport } from './report/page/index.ts'
import { openRuntime } from './runtime/ort.ts'
import type { RunTensor, Runtime, Session } from './runtime/runtime.ts'
import { openWorkspace, type Workspace } from './runtime/workspace.ts'
import { targetOf, widened } from './targets/index.ts'
import type { Target } from './targets/target.ts'
import { floatNames, violationsOf } from './verify/conformance/index.ts'
import { withoutKnownCrash } from './verify/known-crash.ts'
import { type Verification, verify } from './verify/verify.ts'

export const FINISH: readonly Pass[] = [removeUnused, shareInitializers, forgetTypes]

/** What is done to every artifact, and what 4-bit weights need besides; a processor of its own takes weights only as its rules say. */
function finishFor(target: Target): readonly Pass[] {
  const isForeign = target.kind === 'integer' && target.hardware !== 'cpu'
  if (isForeign) return [...packingFor(target), ...FINISH]
  return [removeUnused, storeIntegers, ...packingFor(target), ...FINISH, shareTransposed]
}

export interface Host {
  emit(message: RunnerMessage): void
  /** milliseconds */
  now(): number
  /** the processor, for the report */
  machine: string
}

/** samples in one run where the model leaves the number open */
const BATCH = 32
/** the same while activations are read: every value of a batch lies in memory at once */
const CALIBRATION_BATCH = 4

const MODEL = 'model.onnx'
const FILES = [
  { name: MODEL, content_type: 'application/octet-stream' },
  { name: dataFileOf(MODEL), content_type: 'application/octet-stream' },
  { name: 'report.json', content_type: 'application/json' },
  { name: 'report.html', content_type: 'text/html; charset=utf-8' },
  { name: 'plan.json', content_type: 'application/json' },
]

interface Run {
  spec: RunnerSpec
  host: Host
  target: Target
  runtime: Runtime
  workspace: Workspace
  progress: ProgressMeter
  warnings: Warning[]
  /** on the host's clock, in milliseconds */
  searchUntil: number
}

/** of the time that a job may run, which a search may use up: verifying and packaging come behind it */
const SEARCH_SHARE = 1 / 2

/** Runs one job in the current directory: reads the files that `spec` names, writes model, report and plan to `spec.output`. Throws FewbitError. */
export async function quantize(spec: RunnerSpec, host: Host): Promise<void> {
  const run: Run = {
    spec,
    host,
    target: targetFor(spec.recipe),
    runtime: withoutKnownCrash(openRuntime(spec.threads)),
    workspace: openWorkspace('.'),
    progress: createProgressMeter(host.emit, host.now),
    warnings: [],
    searchUntil: searchEnd(spec, host),
  }
  run.progress.report('preparing', 0, 1)
  const { method, input_shapes, input_values } = spec.recipe
  const isCompat = 'compat' in method && method.compat !== undefined
  const prepared = await prepare(spec.model, run.target.min_opset, run.runtime, run.workspace, {
    passes: isCompat ? PREPARE_COMPAT : preparation(rewritesFor(run.target, spec.recipe)),
    shapes: input_shapes,
    values: input_values,
    fixed: run.target.kind === 'integer' && run.target.shapes === 'static',
    single: run.target.kind !== 'float',
    quantized: isCompat ? 'warn' : 'refuse',
    dequantize: run.target.kind !== 'float' && !isCompat,
    ...(spec.memory_bytes && { memoryBytes: spec.memory_bytes }),
  })
  if (prepared.large) run.runtime = inParts(run.runtime, run.workspace, spec.memory_bytes)
  const data = await openData(spec)
  for (const dataset of Object.values(data)) if (dataset) requireValues(dataset, input_values ?? {})
  const split = splitSamples(data, spec.recipe)
  for (const warning of [...split.warnings, ...prepared.warnings]) warn(run, warning)
  const batches = await calibrationData(run, prepared, split)
  const floats = floatNames(prepared.model)
  const weights = weightBytesOf(prepared.model.graph)
  const output = await METHODS[spec.recipe.method.type](methodInput(run, prepared, batches, split.training))
  for (const warning of output.warnings ?? []) warn(run, warning)
  if (run.target.kind !== 'float')
    for (const warning of littleQuantized(output.plan, weights, output.macsInteger)) warn(run, warning)
  if (!output.keepAsIs) runPasses(output.model, finishFor(run.target))
  const path = writeArtifact(run, output.model)
  const verification = await verifyArtifact(run, prepared, split, path)
  run.progress.report('packaging', 0, 1)
  writeDocuments(run, prepared, output, { ...verification, floats })
  host.emit({
    type: 'result',
    files: FILES.filter(({ name }) => existsSync(run.workspace.path(join(spec.output, name)))),
  })
}

/** A training starts from the same search whenever it runs, and is asked to stop in time itself. */
const searchEnd = ({ recipe, max_seconds: seconds }: RunnerSpec, host: Host): number =>
  seconds === undefined || recipe.method.type === 'qat'
    ? Number.POSITIVE_INFINITY
    : host.now() + 1000 * SEARCH_SHARE * seconds

function packingFor(target: Target): readonly Pass[] {
  if (target.kind !== 'integer') return []
  const { dtype } = target.weight
  return dtype === 'int4' || dtype === 'uint4' ? [packWeights(dtype)] : []
}

/** The target with the activations that the method asks for. */
function targetFor({ target, method }: Recipe): Target {
  const found = targetOf(target)
  if (method.type !== 'static' || method.activation_bits === 8 || found.kind !== 'integer') return found
  const wide = widened(found)
  if (wide) return wide
  throw new FewbitError('target_method_mismatch', `${found.id} has no 16-bit activations`, {
    param: '/method/activation_bits',
  })
}

function warn({ warnings, host }: Run, warning: Warning): void {
  warnings.push(warning)
  host.emit({ type: 'warning', ...warning })
}

/** made-up runs that calibrate when there is no data set */
const SYNTHETIC_RUNS = 16

/** The calibration samples; made-up ones, with a warning that cannot be overlooked, for a method that needs some and has none. */
async function calibrationData(
  run: Run,
  prepared: Prepared,
  { calibration }: Split,
): Promise<CalibrationBatches | null> {
  if (calibration) return calibrationBatches(calibration, prepared.inputs, CALIBRATION_BATCH)
  const { spec, runtime } = run
  if (spec.recipe.method.type !== 'static') return null
  const session = await runtime.load(prepared.floatPath, { optimization: 'basic' })
  const feeds = await findFeeds(session, spec.recipe.seed)
  await session.release()
  if (!feeds) return null
  warn(run, SYNTHETIC_CALIBRATION)
  return syntheticBatches(feeds, spec.recipe.seed, SYNTHETIC_RUNS)
}

const SYNTHETIC_CALIBRATION: Warning = {
  code: 'synthetic_calibration',
  detail:
    'THE RANGES OF ACTIVATIONS COME FROM MADE-UP INPUTS, because the job names no calibration data set: expect a loss of accuracy on real data that no figure of this job shows. Name a data set, or use the method dynamic.',
}

function trainingInput({ spec, host }: Run, { samples, heldOut }: Halves): TrainingInput {
  return {
    samples,
    heldOut,
    checkpoint: spec.checkpoint ?? null,
    memoryBytes: spec.memory_bytes,
    emit: host.emit,
  }
}

function methodInput(
  run: Run,
  prepared: Prepared,
  batches: CalibrationBatches | null,
  training: Halves | null,
): MethodInput {
  const { spec, target, runtime, workspace, progress, host, searchUntil } = run
  progress.report('planning', 0, 1)
  return {
    prepared,
    recipe: spec.recipe,
    target,
    runtime,
    workspace,
    batches,
    training: training && trainingInput(run, training),
    excludes: excludesOf(spec.recipe),
    progress: progress.report,
    now: host.now,
    searchUntil,
  }
}

function writeArtifact({ spec, workspace }: Run, model: Model): string {
  check(model)
  model.producer = `fewbit ${VERSION}`
  return workspace.pack(join(spec.output, MODEL), model)
}

function verifyArtifact(
  run: Run,
  prepared: Prepared,
  { verifying }: Split,
  quantizedPath: string,
): Promise<Verification> {
  const { spec, runtime, workspace, host, progress } = run
  const heldOut = verifying?.samples ?? null
  const total = heldOut?.count ?? 1
  // A dynamically quantized model reads one range from a whole batch, so that its results depend on who shares it.
  const most = spec.recipe.method.type === 'dynamic' ? 1 : BATCH
  const batch = heldOut ? comfortableBatch(heldOut.dataset, prepared.inputs, most) : 1
  progress.report('verifying', 0, total)
  return verify({
    floatPath: prepared.floatPath,
    quantizedPath,
    runtime,
    workspace,
    batches: heldOut && batchesOf(heldOut, prepared.inputs, batch),
    probe: (session) => probeFor(session, heldOut, spec.recipe.seed),
    measuredOn: verifying?.measuredOn ?? 'synthetic',
    metric: spec.recipe.evaluation?.metric ?? 'agreement',
    machine: host.machine,
    now: host.now,
    progress: (phase, done) => progress.report(phase, done, phase === 'verifying' ? total : 1),
  })
}

/** One held-out sample, or made-up numbers. */
async function probeFor(
  session: Session,
  samples: Samples | null,
  seed: number,
): Promise<Record<string, RunTensor> | null> {
  if (!samples) return findFeeds(session, seed)
  for await (const { feeds } of batchesOf(samples, session.inputs, 1)) return feeds
  return null
}

/** What is known of the artifact, and which values of the prepared model were float. */
type Verified = Verification & { floats: ReadonlySet<string> }

function writeDocuments(run: Run, prepared: Prepared, output: MethodOutput, verification: Verified): void {
  const { spec, workspace, progress, runtime } = run
  const metrics = metricsOf(run, output, verification)
  for (const warning of [...verification.warnings, ...judge(run.target, metrics)]) warn(run, warning)
  const report: Report = Report.parse({
    fewbit: VERSION,
    onnxruntime: runtime.version,
    target: run.target.id,
    method: spec.recipe.method.type,
    options: { ...spec.recipe, method: output.options },
    opset: { float: prepared.floatOpset, quantized: output.model.opsets.get('') ?? 0 },
    calibration: output.calibration,
    // JSON has no infinity: a variant whose outputs could not be compared has no score
    search: output.search?.filter(({ sqnr_db }) => Number.isFinite(sqnr_db)) ?? [],
    training: output.training ?? null,
    sensitivity: output.sensitivity ?? [],
    metrics,
    warnings: run.warnings,
    stages: progress.stages(),
  })
  const write = (name: string, text: string) => writeFileSync(workspace.path(join(spec.output, name)), text)
  write('report.json', JSON.stringify(report, null, 1))
  write('report.html', renderReport(report, output.plan))
  write('plan.json', JSON.stringify(output.plan, null, 1))
  progress.report('packaging', 1, 1)
}

function metricsOf(
  { spec, target, workspace }: Run,
  output: MethodOutput,
  { fidelity, accuracy, latency_ms, kernels, floats }: Verified,
): Metrics {
  const float = sizeOfModel(spec.model)
  const quantized = sizeOfModel(workspace.path(join(spec.output, MODEL)))
  const violations = violationsOf(output.model, target, floats)
  return {
    size_bytes: { float, quantized, ratio: quantized / float },
    latency_ms,
    accuracy,
    fidelity,
    coverage: {
      nodes: output.plan.nodes.length,
      nodes_quantized: output.quantizedNodes,
      integer_kernels: target.kind === 'integer' && target.hardware === 'cpu' ? kernels.integer : null,
      conversions: kernels.conversions,
      macs_integer: output.macsInteger,
    },
    target_conformance: { ok: violations.length === 0, violations },
  }
}

/** Bytes of a model and of the files beside it that hold its weights. */
function sizeOfModel(path: string): number {
  const beside = decodeModel(path).external.map((name) => statSync(join(dirname(path), name)).size)
  return beside.reduce((sum, size) => sum + size, statSync(path).size)
}

/** outputs whose error is larger than this are of little use */
const LEAST_FIDELITY_DB = 8

/** What a user must not overlook in the figures. */
function judge(target: Target, { size_bytes, latency_ms, fidelity, target_conformance }: Metrics): Warning[] {
  // Other hardware than the processor that was measured says nothing.
  const isHere = target.kind === 'weight-only' || (target.kind === 'integer' && target.hardware === 'cpu')
  const slower = isHere && latency_ms && latency_ms.speedup < 0.95
  return [
    ...(fidelity && fidelity.sqnr_db < LEAST_FIDELITY_DB
      ? [
          {
            code: 'low_fidelity',
            detail: `THE OUTPUTS HARDLY FOLLOW THE FLOAT MODEL: an error of ${fidelity.sqnr_db.toFixed(1)} dB below the signal. Look at the layers in the report, let the worst stay float (min_sqnr_db, exclude) where the target can, or train with the method qat.`,
          },
        ]
      : []),
    ...(slower
      ? [
          {
            code: 'slower_than_float',
            detail: `on this machine one run takes ${latency_ms.quantized.p50.toFixed(3)} ms, the float model ${latency_ms.float.p50.toFixed(3)} ms`,
          },
        ]
      : []),
    ...(size_bytes.ratio >= 1
      ? [
          {
            code: 'larger_than_float',
            detail: `the artifact has ${size_bytes.quantized} bytes, the float model ${size_bytes.float}`,
          },
        ]
      : []),
    ...(target_conformance.ok
      ? []
      : [
          {
            code: 'target_violated',
            detail: `${target_conformance.violations.length} rules of the target are broken, see metrics.target_conformance`,
          },
        ]),
  ]
}
