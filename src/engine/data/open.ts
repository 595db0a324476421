/** Any data set: arrays of an .npz, pictures or text of a .zip. */
import type { DatasetSpec } from '../../contract/recipe.ts'
import { type Dataset, openDataset } from './dataset.ts'
import { type Decoding, inspectImages, openImages } from './images/index.ts'
import { type DatasetSummary, inspectNpz } from './inspect.ts'
import { inspectText, openText } from './text/index.ts'

/** Opens the file at `path`, which stays open as long as the data set is read. Throws dataset_* errors. */
export function openAny(path: string, spec: DatasetSpec, decoding: Decoding): Promise<Dataset> {
  const { images, text } = spec
  if (images) return openImages(path, { ...spec, images }, decoding)
  return text ? openText(path, { ...spec, text }, decoding.onDecoded) : openDataset(path, spec)
}

/** What the file at `path` holds; pictures and text are not decoded for it. Throws dataset_* errors. */
export function inspectAny(
  path: string,
  { images, text }: Pick<DatasetSpec, 'images' | 'text'>,
): Promise<DatasetSummary> {
  if (images) return inspectImages(path, images)
  return text ? inspectText(path, text) : inspectNpz(path)
}

/** Samples and labels alone: nothing is read through. Throws dataset_* errors. */
export async function describeAny(
  path: string,
  spec: DatasetSpec,
): Promise<Pick<DatasetSummary, 'samples' | 'labels'>> {
  if (spec.images || spec.text) return inspectAny(path, spec)
  const { samples, labels, close } = await openDataset(path, spec)
  close()
  return { samples, labels: labels ? { dtype: labels.dtype, shape: [...labels.shape] } : null }
}
