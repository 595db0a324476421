/** onnxruntime-web's WebAssembly build in Node, on one thread: the only file that imports onnxruntime-web. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ort from 'onnxruntime-web'
import { DTYPES, type DType } from '../../ir/dtype.ts'
import { entryOf } from '../../ir/list.ts'
import { decodeModel } from '../../onnx/index.ts'
import type { ElementArray, RunTensor, Runtime, Session, ValueInfo } from '../runtime.ts'

/** errors come as exceptions */
const FATAL_ONLY = 4

/**
 * One thread: several need memory that they share, which a page has only where its server isolates it from other origins; most do not.
 * Errors are those of the library: whoever calls this translates them.
 */
export function openWasm(): Runtime {
  ort.env.wasm.numThreads = 1
  return {
    name: 'onnxruntime-web',
    version: ort.env.versions.web ?? ort.env.versions.common,
    threads: 1,
    saturates: false,
    load,
  }
}

/** The library reads no files by path where it finds weights beside the model, so that all comes as bytes. */
async function load(path: string): Promise<Session> {
  const externalData = decodeModel(path).external.map((name) => ({
    path: name,
    data: readFileSync(join(dirname(path), name)),
  }))
  const session = await ort.InferenceSession.create(readFileSync(path), {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: FATAL_ONLY,
    ...(externalData.length > 0 && { externalData }),
  })
  return {
    inputs: session.inputMetadata.map(describe),
    outputs: session.outputMetadata.map(describe),
    run: (feeds, fetch) => run(session, feeds, fetch),
    runInto: async (feeds, results) => copyInto(results, await run(session, feeds, Object.keys(results))),
    release: () => session.release(),
  }
}

function copyInto(into: Readonly<Record<string, RunTensor>>, found: Record<string, RunTensor>): void {
  for (const [name, { data }] of Object.entries(into)) (data as Uint8Array).set(entryOf(found, name).data as Uint8Array)
}

async function run(
  session: ort.InferenceSession,
  feeds: Readonly<Record<string, RunTensor>>,
  fetch: readonly string[] = session.outputNames,
): Promise<Record<string, RunTensor>> {
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
      name,
      new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor.DataType, dims),
    ]),
  )
  const results = await session.run(tensors, fetch)
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { dtype: asDType(type) ?? 'string', dims, data: data as ElementArray | string[] },
    ]),
  )
}

function describe(info: ort.InferenceSession.ValueMetadata): ValueInfo {
  if (!info.isTensor) return { name: info.name, dtype: undefined, shape: [] }
  return { name: info.name, dtype: asDType(info.type), shape: info.shape.map((dim) => (dim === '' ? null : dim)) }
}

const asDType = (type: string): DType | undefined => (DTYPES.includes(type as DType) ? (type as DType) : undefined)
