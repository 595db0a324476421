/** Any data set: arrays of an .npz, or pictures of a .zip. */
import type { DatasetSpec } from '../../contract/recipe.ts'
import { type Dataset, openDataset } from './dataset.ts'
import { type Decoding, openImages } from './images/index.ts'

/** Opens the file at `path`, which stays open as long as the data set is read. Throws dataset_* errors. */
export function openAny(path: string, spec: DatasetSpec, decoding: Decoding): Promise<Dataset> {
  const { images } = spec
  return images ? openImages(path, { ...spec, images }, decoding) : openDataset(path, spec)
}
