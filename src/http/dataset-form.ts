/** Makes a data set of a received form. */
import { DatasetSpec } from '../contract/recipe.ts'
import { type Created, createDataset } from '../datasets/create-dataset.ts'
import type { Deps } from '../deps.ts'
import type { Form } from './form.ts'
import { readJson, readMetadata, readName } from './form-fields.ts'
import { refused } from './problem.ts'

/** Throws invalid_request and dataset_*. */
export async function datasetOf(deps: Deps, owner: string, form: Form): Promise<Created> {
  const [file, ...others] = form.files
  if (file?.field !== 'file' || others.length > 0) {
    throw refused([{ pointer: '/file', code: 'required', detail: 'exactly one part `file` is needed' }])
  }
  return createDataset(deps, owner, {
    file,
    name: readName(form) || 'dataset',
    spec: readJson(form, 'spec', DatasetSpec, { arrays: {} }),
    metadata: readMetadata(form),
  })
}
