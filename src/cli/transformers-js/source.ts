/** What a folder in the style of Hugging Face holds: float models in `onnx/` or at its root, and what lies beside them. */
import { readdirSync, statSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'
import { hasSuffix } from './dtypes.ts'

export interface SourceModel {
  /** `encoder_model` */
  name: string
  path: string
}

export interface Source {
  models: SourceModel[]
  /** absolute paths of configurations, tokenizers and the like, which are copied */
  papers: string[]
}

/** of files at the root, what belongs to a model */
const PAPERS = /\.(json|txt|model|jinja|md|spm|vocab)$/i

/** Written by us, and new in every folder. */
export const OURS = ['quantize_config.json', 'QUANTIZED.md']

/** `path`: a folder, or one model. Throws not_found and already_quantized. */
export function sourceAt(path: string): Source {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new FewbitError('not_found', `there is no file or folder ${path}`)
  if (found.isFile()) return { models: [modelAt(resolve(path))], papers: [] }
  const models = [...modelsIn(join(path, 'onnx')), ...modelsIn(path)]
  if (models.length === 0)
    throw new FewbitError('not_found', `the folder ${path} holds no .onnx file, neither in onnx/ nor at its root`)
  return { models: floatOnes(models, path), papers: papersIn(path) }
}

const modelAt = (path: string): SourceModel => ({ name: basename(path, extname(path)), path })

function filesIn(directory: string): string[] {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return []
  const entries = readdirSync(directory, { withFileTypes: true })
  const isFile = (name: string) => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() ?? false
  return entries
    .map(({ name }) => name)
    .filter(isFile)
    .sort()
}

const modelsIn = (directory: string): SourceModel[] =>
  filesIn(directory)
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => modelAt(resolve(directory, name)))

/** Files that are dtypes already are no sources; the one in `onnx/` counts where a name is there twice. */
function floatOnes(models: readonly SourceModel[], path: string): SourceModel[] {
  const float = new Map<string, SourceModel>()
  for (const model of models) if (!hasSuffix(model.name) && !float.has(model.name)) float.set(model.name, model)
  if (float.size > 0) return [...float.values()]
  const names = models.map(({ name }) => `${name}.onnx`).join(', ')
  throw new FewbitError('already_quantized', `the folder ${path} holds models of fewer bits only: ${names}`, {
    hint: 'add the float model that they were made from, model.onnx',
  })
}

const papersIn = (path: string): string[] =>
  filesIn(path)
    .filter((name) => PAPERS.test(name) && !OURS.includes(name))
    .map((name) => resolve(path, name))
