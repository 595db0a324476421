/** The runner's own directory: where the engine writes the models that ONNX Runtime loads by path. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Model } from './ir/graph.ts'
import { encodeModel } from './onnx/index.ts'

export interface Workspace {
  path(name: string): string
  /** Encodes a model into a file of that name and returns its path. */
  save(name: string, model: Model): string
}

export function openWorkspace(directory: string): Workspace {
  const path = (name: string) => join(directory, name)
  return {
    path,
    save: (name, model) => {
      writeFileSync(path(name), encodeModel(model))
      return path(name)
    },
  }
}
