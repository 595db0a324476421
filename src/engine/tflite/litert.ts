/** The one door to LiteRT: TensorFlow Lite's interpreter as WebAssembly, which runs in this process. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { compileFunction } from 'node:vm'
import { FewbitError, messageOf } from '../../shared/errors.ts'

/** A loaded model: bytes in, bytes out, by names of its signature. */
export interface Loaded {
  inputs: readonly string[]
  outputs: readonly string[]
  /** Throws verification_failed for what LiteRT logs as an error: it goes on with garbage otherwise. */
  run(feeds: ReadonlyMap<string, Uint8Array>): Promise<Map<string, Uint8Array>>
  release(): void
}

export interface Litert {
  version: string
  load(file: Uint8Array): Promise<Loaded>
}

/** What of the module's bindings is used; its own wrapper refuses int8. */
interface Bindings {
  HEAPU8: Uint8Array
  _malloc(bytes: number): number
  _free(pointer: number): void
  setupLogging(): void
  loadModel(environment: Handle, pointer: number, bytes: number): Model
  compileModel(environment: Handle, model: Model, options: object): Promise<Compiled> | Compiled
  LiteRtEnvironment: { create(gpu: null): Handle }
  LiteRtTensorBuffer: {
    createManaged(environment: Handle, kind: unknown, type: TensorType, bytes: number): TensorBuffer
  }
  LiteRtTensorBufferType: { HOST_MEMORY: unknown }
  LiteRtTensorBufferLockMode: { READ: unknown; WRITE: unknown }
}
interface Handle {
  delete(): void
}
interface List extends Handle {
  size(): number
  get(index: number): string
}
interface TensorType extends Handle {
  bytes(): number
}
interface Model extends Handle {
  getSignature(index: number): Handle & { inputNames(): List; outputNames(): List }
  getInputTensorType(signature: number, index: number): TensorType
}
interface TensorBuffer extends Handle {
  lock(mode: unknown): number
  unlock(): void
  packedSize(): number
}
interface Compiled extends Handle {
  run(signature: number, inputs: TensorBuffer[]): Promise<TensorBuffer[]> | TensorBuffer[]
}

const MODULE = '@litertjs/core/wasm/litert_wasm_compat_internal.js'

let opened: Promise<Litert | null> | undefined

/** LiteRT, loaded once; null where the optional package is not installed. */
export function openLitert(): Promise<Litert | null> {
  opened ??= load()
  return opened
}

function findModule(): string | null {
  try {
    return createRequire(import.meta.url).resolve(MODULE)
  } catch {
    return null
  }
}

async function load(): Promise<Litert | null> {
  const path = findModule()
  if (path === null) return null
  const log: string[] = []
  const module = await instantiate(path, (line) => void log.push(line))
  module.setupLogging()
  const environment = module.LiteRtEnvironment.create(null)
  const manifest = JSON.parse(readFileSync(`${dirname(dirname(path))}/package.json`, 'utf8')) as { version: string }
  return { version: manifest.version, load: (file) => loadModel({ module, environment, log }, file) }
}

/** Evaluates the script as the CommonJS module that it is: its package calls itself one of ES modules. */
async function instantiate(path: string, print: (line: string) => void): Promise<Bindings> {
  type Factory = (options: object) => Promise<Bindings>
  const module: { exports: Factory | undefined } = { exports: undefined }
  const names = ['module', 'exports', 'require', '__filename', '__dirname']
  const define = compileFunction(readFileSync(path, 'utf8'), names, { filename: path })
  define(module, {}, createRequire(path), path, dirname(path))
  if (!module.exports) throw new Error(`${MODULE} exports nothing`)
  return module.exports({ wasmBinary: readFileSync(path.replace(/\.js$/, '.wasm')), print, printErr: print })
}

interface Context {
  module: Bindings
  environment: Handle
  log: string[]
}

const failed = (what: string, detail: string, cause?: unknown): FewbitError =>
  new FewbitError('verification_failed', `LiteRT does not ${what} the .tflite: ${detail}`, { stage: 'verify', cause })

/** LiteRT only logs what goes wrong while it prepares operators. */
async function watching<T>({ log }: Context, what: string, act: () => Promise<T>): Promise<T> {
  log.length = 0
  const result = await act().catch((error: unknown) => {
    throw failed(what, messageOf(error), error)
  })
  const errors = log.filter((line) => line.includes('ERROR'))
  if (errors.length > 0) throw failed(what, errors.join('; '))
  return result
}

async function loadModel(context: Context, file: Uint8Array): Promise<Loaded> {
  const { module, environment } = context
  const pointer = module._malloc(file.length)
  module.HEAPU8.set(file, pointer)
  const { model, compiled } = await watching(context, 'load', async () => {
    const model = module.loadModel(environment, pointer, file.length)
    return { model, compiled: await module.compileModel(environment, model, { environment, accelerator: 'wasm' }) }
  }).catch((error: unknown) => {
    module._free(pointer)
    throw error
  })
  const signature = model.getSignature(0)
  const [inputs, outputs] = [namesIn(signature.inputNames()), namesIn(signature.outputNames())]
  signature.delete()
  return {
    inputs,
    outputs,
    run: (feeds) => watching(context, 'run', () => runOnce(context, { model, compiled, inputs, outputs }, feeds)),
    release: () => {
      compiled.delete()
      model.delete()
      module._free(pointer)
    },
  }
}

function namesIn(list: List): string[] {
  const names = Array.from({ length: list.size() }, (_, i) => list.get(i))
  list.delete()
  return names
}

interface Running {
  model: Model
  compiled: Compiled
  inputs: readonly string[]
  outputs: readonly string[]
}

async function runOnce(
  context: Context,
  { model, compiled, inputs, outputs }: Running,
  feeds: ReadonlyMap<string, Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const buffers = inputs.map((name, i) => fill(context, model, i, name, feeds.get(name)))
  const results = await compiled.run(0, buffers)
  const read = new Map(results.map((buffer, i) => [outputs[i] ?? `${i}`, copyOf(context, buffer)]))
  for (const buffer of [...buffers, ...results]) buffer.delete()
  return read
}

function fill(
  { module, environment }: Context,
  model: Model,
  index: number,
  name: string,
  bytes?: Uint8Array,
): TensorBuffer {
  const type = model.getInputTensorType(0, index)
  const size = type.bytes()
  if (bytes?.length !== size)
    throw new Error(`input "${name}" takes ${size} bytes, and ${bytes?.length ?? 'none'} were given`)
  const buffer = module.LiteRtTensorBuffer.createManaged(
    environment,
    module.LiteRtTensorBufferType.HOST_MEMORY,
    type,
    size,
  )
  type.delete()
  module.HEAPU8.set(bytes, buffer.lock(module.LiteRtTensorBufferLockMode.WRITE))
  buffer.unlock()
  return buffer
}

function copyOf({ module }: Context, buffer: TensorBuffer): Uint8Array {
  const at = buffer.lock(module.LiteRtTensorBufferLockMode.READ)
  const copy = module.HEAPU8.slice(at, at + buffer.packedSize())
  buffer.unlock()
  return copy
}
