/** ONNX Runtime: the only file that imports onnxruntime-node. */
import { createRequire } from 'node:module'
import ort from 'onnxruntime-node'
import { type ErrorCode, FewbitError, messageOf } from '../../shared/errors.ts'
import { DTYPES, type DType } from '../ir/dtype.ts'
import { withUnsignedWeights } from './exact-products.ts'
import { translateMessage } from './messages.ts'
import { saturatesProducts } from './processor.ts'
import { readKernels } from './profile.ts'
import type { ElementArray, LoadOptions, RunTensor, Runtime, Session, ValueInfo } from './runtime.ts'

/** errors come as exceptions */
const FATAL_ONLY = 4

/** ONNX Runtime on the CPU with `threads` intra-op threads. */
export function openRuntime(threads: number): Runtime {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
  keepHalvesInUint16()
  const saturates = saturatesProducts()
  const open = (path: string, options: LoadOptions): Promise<Session> =>
    saturates && options.exactProducts ? loadExact(path, options, threads) : load(path, options, threads)
  return { name: 'onnxruntime', version, threads, saturates, load: open }
}

/**
 * The WebGPU provider that browsers use, as the native library bundles it: it needs a driver for Vulkan, or Direct3D or Metal. Loading throws
 * model_load_failed where there is none.
 */
export const openWebgpu = (): Runtime => {
  const runtime = openRuntime(1)
  return { ...runtime, name: 'onnxruntime WebGPU', load: (path, options) => load(path, options, 1, {}, ['webgpu']) }
}

/**
 * At its first tensor the library looks for Float16Array, which Node has from 24 on, and keeps float16 in it; but its native part reads
 * no bytes of such an array (microsoft/onnxruntime#32323). So it must not find one.
 */
function keepHalvesInUint16(): void {
  const found = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array')
  if (!found) return
  Reflect.deleteProperty(globalThis, 'Float16Array')
  new ort.Tensor('bool', [false], [1])
  Object.defineProperty(globalThis, 'Float16Array', found)
}

/**
 * With uint8 weights; beside int8 activations in ONNX Runtime's own mode for such processors. Where both refuse a model, its products stay in float, as far
 * as it has them in Q/DQ pairs.
 */
async function loadExact(path: string, options: LoadOptions, threads: number): Promise<Session> {
  const unsigned = await withUnsignedWeights(path, (copy) => load(copy, options, threads)).catch(() => null)
  if (unsigned) return unsigned
  return load(path, options, threads, { x64quantprecision: '1' }).catch(() =>
    load(path, { ...options, floatRounding: true }, threads),
  )
}

async function load(
  path: string,
  { optimization, saveTo, floatRounding, profile }: LoadOptions,
  threads: number,
  settings: Readonly<Record<string, string>> = {},
  executionProviders: readonly ('cpu' | 'webgpu')[] = ['cpu'],
): Promise<Session> {
  const prefix = `${path}.profile`
  const session = await ort.InferenceSession.create(path, {
    graphOptimizationLevel: optimization,
    ...(saveTo && { optimizedModelFilePath: saveTo }),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: FATAL_ONLY,
    executionProviders,
    ...(profile && { enableProfiling: true, profileFilePrefix: prefix }),
    extra: {
      session: {
        ...settings,
        ...(floatRounding && { disable_quant_qdq: '1' }),
        ...(profile === 'shapes' && { disable_prepacking: '1' }),
      },
    },
  }).catch((error: unknown) => {
    throw translate(error, 'model_load_failed')
  })
  const wrapped = new WeakMap<RunTensor, ort.Tensor>()
  return {
    inputs: session.inputMetadata.map(describe),
    outputs: session.outputMetadata.map(describe),
    run: (feeds, fetch) => run(session, feeds, fetch),
    runInto: (feeds, results) => runInto(session, wrapped, feeds, results),
    release: () => session.release(),
    ...(profile && {
      kernels: () => {
        session.endProfiling()
        return readKernels(prefix)
      },
    }),
  }
}

async function run(
  session: ort.InferenceSession,
  feeds: Readonly<Record<string, RunTensor>>,
  fetch: readonly string[] = session.outputNames,
): Promise<Record<string, RunTensor>> {
  try {
    const tensors = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)]))
    const results = await session.run(tensors, fetch)
    return Object.fromEntries(
      Object.entries(results).flatMap(([name, value]) => (value ? [[name, fromOrt(value)]] : [])),
    )
  } catch (error) {
    throw translate(error, 'calibration_failed')
  }
}

async function runInto(
  session: ort.InferenceSession,
  wrapped: WeakMap<RunTensor, ort.Tensor>,
  feeds: Readonly<Record<string, RunTensor>>,
  results: Readonly<Record<string, RunTensor>>,
): Promise<void> {
  const wrap = (tensor: RunTensor) => {
    const made = wrapped.get(tensor) ?? toOrt(tensor)
    wrapped.set(tensor, made)
    return made
  }
  const wrapAll = (tensors: Readonly<Record<string, RunTensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, wrap(tensor)]))
  try {
    await session.run(wrapAll(feeds), wrapAll(results))
  } catch (error) {
    throw translate(error, 'training_failed')
  }
}

const toOrt = ({ dtype, data, dims }: RunTensor): ort.Tensor =>
  new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor.DataType, dims)

const fromOrt = (value: ort.Tensor): RunTensor => ({
  dtype: asDType(value.type) ?? 'string',
  dims: value.dims,
  data: value.data as ElementArray | string[],
})

function describe(info: ort.InferenceSession.ValueMetadata): ValueInfo {
  if (!info.isTensor) return { name: info.name, dtype: undefined, shape: [] }
  const shape = info.shape.map((dim) => (typeof dim === 'number' && dim < 0 ? null : dim === '' ? null : dim))
  return { name: info.name, dtype: asDType(info.type), shape }
}

const asDType = (type: string): DType | undefined => (DTYPES.includes(type as DType) ? (type as DType) : undefined)

/** A FewbitError for a native error: classified, in words, and without the machine's paths. */
function translate(error: unknown, fallback: ErrorCode): FewbitError {
  const { code = fallback, detail, hint } = translateMessage(messageOf(error))
  return new FewbitError(code, detail, { cause: error, ...(hint && { hint }) })
}
