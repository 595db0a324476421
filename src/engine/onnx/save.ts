/** Writes models: weights stream from where they lie, into one file where they fit, beside it where they do not. */
import { rmSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { bitsOf } from '../ir/dtype.ts'
import { allGraphs, type Model } from '../ir/graph.ts'
import { memorySink, type Sink, writeFile } from '../ir/sink.ts'
import type { Tensor } from '../ir/tensor.ts'
import { modelMessage } from './encode.ts'
import { LIMITS, tooComplex } from './limits.ts'
import { INLINE, type Place, type Reference } from './tensors.ts'
import { measureMessage } from './write.ts'

export interface SaveOptions {
  /** tensors that lie in files of the same directory stay there; the model is good for as long as they are */
  refer?: boolean
  /** bytes of one file from which on weights lie beside it; default: protobuf's limit */
  mostBytes?: number
  /** path of the file for those weights, in the same directory; default: `dataFileOf(path)` */
  dataFile?: string
}

/** tensors from so many bytes on are worth a place of their own */
const OWN_PLACE_BYTES = 1024
/** the size of a page, so that ONNX Runtime can map what it reads */
const ALIGNMENT = 4096

/** The bytes of a model in one file. Throws model_too_complex beyond 2 GiB. */
export function encodeModel(model: Model): Uint8Array {
  const { size, write } = measureMessage('ModelProto', modelMessage(model, INLINE))
  requireRoom(size)
  const sink = memorySink(size)
  write(sink)
  return sink.bytes.subarray(0, size)
}

/** The name of the file beside a model that holds its weights. */
export const dataFileOf = (path: string): string => `${path}.data`

/** Writes a model and, past `mostBytes`, its weights into `dataFile`. Needs memory for the graph only. */
export function saveModel(
  model: Model,
  path: string,
  { refer = false, mostBytes = LIMITS.encodedBytes, dataFile = dataFileOf(path) }: SaveOptions = {},
): void {
  rmSync(dataFile, { force: true })
  const place = refer ? beside(dirname(resolve(path))) : INLINE
  const inOne = measureMessage('ModelProto', modelMessage(model, place))
  if (inOne.size <= mostBytes) {
    writeFile(path, inOne.write)
    return
  }
  const { size, write } = measureMessage('ModelProto', modelMessage(model, saveWeights(model, dataFile, place)))
  requireRoom(size)
  writeFile(path, write)
}

/** Tensors that lie in files of that directory, aligned so that they can be read where they are. */
function beside(directory: string): Place {
  return ({ data, dtype }) => {
    if (data instanceof Uint8Array || data.length < OWN_PLACE_BYTES) return null
    const { file, offset } = data
    const isAligned = offset % Math.max(bitsOf(dtype) / 8, 1) === 0
    return dirname(file.path) === directory && isAligned ? { location: basename(file.path), offset } : null
  }
}

/** Writes the large tensors that lie nowhere yet, and says where they and the others are. */
function saveWeights(model: Model, dataFile: string, known: Place): Place {
  const places = new Map<Tensor, Reference>()
  const location = basename(dataFile)
  writeFile(dataFile, (sink) => {
    let written = 0
    for (const tensor of largeTensors(model)) {
      if (places.has(tensor) || known(tensor)) continue
      const offset = sink.pad(written, ALIGNMENT)
      places.set(tensor, { location, offset })
      writeElements(sink, tensor)
      written = offset + tensor.data.length
    }
  })
  return (tensor) => known(tensor) ?? places.get(tensor) ?? null
}

function* largeTensors({ graph }: Model): Generator<Tensor> {
  for (const { initializers } of allGraphs(graph))
    for (const { tensor } of initializers)
      if (tensor && !tensor.strings && tensor.data.length >= OWN_PLACE_BYTES) yield tensor
}

function writeElements(sink: Sink, { data }: Tensor): void {
  if (data instanceof Uint8Array) sink.put(data)
  else sink.copy(data)
}

function requireRoom(size: number): void {
  if (size > LIMITS.encodedBytes)
    throw tooComplex(`${size} bytes in one file, of which protobuf allows ${LIMITS.encodedBytes}`)
}
