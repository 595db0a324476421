/** Makes a model of a received form. */
import { basename } from 'node:path'
import type { Deps } from '../deps.ts'
import { isBundle, unbundle } from '../models/bundle.ts'
import { type Created, createModel } from '../models/create-model.ts'
import type { ModelFile } from '../models/model.ts'
import type { Form } from './form.ts'
import { readMetadata, readName } from './form-fields.ts'
import { refused } from './problem.ts'

/** Throws invalid_request and model_*. */
export async function modelOf(deps: Deps, owner: string, form: Form, signal: AbortSignal): Promise<Created> {
  const name = readName(form) || 'model'
  const metadata = readMetadata(form)
  await openBundle(deps, owner, form, signal)
  return createModel(deps, owner, { name, metadata, files: filesOf(form) })
}

/** What was in a .zip takes its place. */
async function openBundle(deps: Deps, owner: string, form: Form, signal: AbortSignal): Promise<void> {
  const [file, ...others] = form.files
  if (file?.field !== 'file' || others.length > 0 || !(await isBundle(deps, file))) return
  file.field = 'bundle'
  await unbundle(deps, file, {
    owner,
    signal,
    onStored: ({ isModel, ...member }) => form.files.push({ ...member, field: isModel ? 'file' : 'external' }),
  })
}

const SAFE_NAME = /^[\w][\w.-]{0,199}$/

/** The model under a name of ours, external data under theirs. */
function filesOf(form: Form): [ModelFile, ...ModelFile[]] {
  const files = form.files.filter(({ field }) => field !== 'bundle')
  const models = files.filter(({ field }) => field === 'file')
  const [model] = models
  if (!model || models.length > 1) {
    throw refused([{ pointer: '/file', code: 'required', detail: 'exactly one part `file` is needed' }])
  }
  const external = files.filter(({ field }) => field !== 'file').map(externalFile)
  return [{ path: 'model.onnx', sha256: model.sha256, size: model.size }, ...external]
}

function externalFile(
  { field, filename, sha256, size }: Form['files'][number],
  index: number,
  all: Form['files'],
): ModelFile {
  const path = basename(filename)
  if (field !== 'external')
    throw refused([{ pointer: `/${field}`, code: 'unknown', detail: 'expected `file` or `external`' }])
  if (!SAFE_NAME.test(path) || path === 'model.onnx' || all.findIndex((file) => file.filename === filename) < index) {
    throw refused([{ pointer: '/external', code: 'file_name', detail: `${path} is not acceptable or comes twice` }])
  }
  return { path, sha256, size }
}
