/** Finds the bytes of a model's .onnx file. */

import type { Deps } from '../deps.ts'
import type { Content } from '../storage/content.ts'
import { getModel } from './get-model.ts'

/** Throws not_found. */
export async function openModelContent(deps: Deps, owner: string, id: string): Promise<Content> {
  const model = await getModel(deps, owner, id)
  const [file] = model.files
  return {
    sha256: model.sha256,
    size: file?.size ?? model.size_bytes,
    filename: `${id}.onnx`,
    contentType: 'application/octet-stream',
    open: (range) => deps.store.get(model.sha256, range),
  }
}
