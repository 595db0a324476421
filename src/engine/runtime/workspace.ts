/** The runner's own directory: where the engine writes the models that ONNX Runtime loads by path, and weights that memory shall not hold. */
import { writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { type OpenFile, openFile } from '../ir/file.ts'
import type { Model } from '../ir/graph.ts'
import type { Tensor } from '../ir/tensor.ts'
import { saveModel } from '../onnx/index.ts'

export interface Workspace {
  /** Absolute; absolute names stay as they are. */
  path(name: string): string
  /** Writes a model for use in this directory, and returns its path: weights that lie in files here stay where they are. */
  save(name: string, model: Model): string
  /** Writes a model that stands alone, and returns its path: weights past protobuf's 2 GiB lie in one file beside it. */
  pack(name: string, model: Model): string
  /** The same tensor with its bytes in a file here, unless they are few. */
  keep(tensor: Tensor): Tensor
}

const SCRATCH = 'weights.scratch'
/** the size of a page, so that ONNX Runtime can map what it reads */
const ALIGNMENT = 4096
const CHUNK = 2 ** 30
const SMALLEST = 64 * 1024

export function openWorkspace(directory: string): Workspace {
  const path = (name: string) => resolve(directory, name)
  let scratch: OpenFile | undefined
  let end = 0
  const write = (name: string, model: Model, refer: boolean) => {
    saveModel(model, path(name), { refer })
    return path(name)
  }
  return {
    path,
    save: (name, model) => write(name, model, true),
    pack: (name, model) => write(name, model, false),
    keep: (tensor) => {
      const { data } = tensor
      if (!(data instanceof Uint8Array) || data.length < SMALLEST) return tensor
      scratch ??= openFile(path(SCRATCH), 'w+')
      const offset = end
      for (let done = 0; done < data.length; )
        done += writeSync(scratch.fd, data, done, Math.min(data.length - done, CHUNK), offset + done)
      end = Math.ceil((offset + data.length) / ALIGNMENT) * ALIGNMENT
      return { ...tensor, data: { file: scratch, offset, length: data.length } }
    },
  }
}
