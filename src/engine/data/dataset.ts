/** A data set as the engine reads it: arrays by input name, batch by batch, so that large sets need little memory. */

import type { DatasetSpec } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, type DType } from '../ir/dtype.ts'
import { elementCount } from '../ir/tensor.ts'
import type { RunTensor, ValueInfo } from '../runtime/runtime.ts'
import { convert, viewAs } from './convert.ts'
import { toLittleEndian, toRowMajor } from './layout.ts'
import { type Archive, type Member, openNpz, readElements, readStored } from './npz.ts'

export interface StoredArray {
  dtype: DType
  /** first axis = sample */
  shape: readonly number[]
  /** the bytes of samples [start, start + count) */
  slice(start: number, count: number): Uint8Array
}

export interface Dataset {
  samples: number
  arrays: ReadonlyMap<string, StoredArray>
  labels?: { dtype: DType; shape: readonly number[]; value(index: number): number }
  spec: DatasetSpec
  /** Closes the file; nothing can be read afterwards. */
  close(): void
}

const LABELS = 'labels'

/** Opens the .npz at `path`, which stays open as long as the data set is read. Throws dataset_not_npz or dataset_array_invalid. */
export async function openDataset(path: string, spec: DatasetSpec): Promise<Dataset> {
  const archive = await openNpz(path)
  try {
    return await datasetOf(archive, spec)
  } catch (error) {
    archive.close()
    throw error
  }
}

async function datasetOf(archive: Archive, spec: DatasetSpec): Promise<Dataset> {
  const arrays = new Map<string, StoredArray>()
  for (const member of archive.members) arrays.set(member.name, await storedArray(archive, member))
  const labels = arrays.get(LABELS)
  arrays.delete(LABELS)
  const [first] = arrays.values()
  if (!first) throw new FewbitError('dataset_array_invalid', 'the data set holds no array besides the labels')
  return {
    samples: first.shape[0] ?? 0,
    arrays,
    spec,
    close: () => archive.close(),
    ...(labels && { labels: labelsOf(labels) }),
  }
}

/** Elements that lie in the file as they are used stay there; everything else is expanded once. */
async function storedArray(archive: Archive, member: Member): Promise<StoredArray> {
  const { header } = member
  const { dtype, shape } = header
  const bytesPerSample = (elementCount(shape.slice(1)) * bitsOf(dtype)) / 8
  if (member.stored !== null && !header.fortran) {
    const slice = (start: number, count: number) =>
      toLittleEndian(readStored(archive, member, start * bytesPerSample, count * bytesPerSample), header)
    return { dtype, shape, slice }
  }
  const bytes = toRowMajor(toLittleEndian(await readElements(member), header), header)
  return {
    dtype,
    shape,
    slice: (start, count) => bytes.subarray(start * bytesPerSample, (start + count) * bytesPerSample),
  }
}

function labelsOf(array: StoredArray): NonNullable<Dataset['labels']> {
  const elements = viewAs(array.slice(0, array.shape[0] ?? 0), array.dtype)
  return { dtype: array.dtype, shape: array.shape, value: (index) => Number(elements[index]) }
}

/** The feeds of one run over samples [start, start + count), in the dtypes of the inputs. Throws dataset_mismatch. */
export function readBatch(
  dataset: Dataset,
  inputs: readonly ValueInfo[],
  start: number,
  count: number,
): Record<string, RunTensor> {
  return Object.fromEntries(inputs.map((input) => [input.name, readInput(dataset, input, start, count)]))
}

/** Whether each sample of the array is a complete feed of the input: it has one axis more. */
export const holdsFeeds = (array: StoredArray | undefined, { shape, rankUnknown }: ValueInfo): boolean =>
  !rankUnknown && array?.shape.length === shape.length + 1

function readInput({ arrays, spec }: Dataset, input: ValueInfo, start: number, count: number): RunTensor {
  const { name, dtype } = input
  const array = arrays.get(name)
  if (!array)
    throw new FewbitError(
      'dataset_mismatch',
      `the data set has no array "${name}"; it has ${[...arrays.keys()].join(', ')}`,
    )
  if (!dtype) throw new FewbitError('dataset_mismatch', `input "${name}" is not a tensor`)
  const sample = array.shape.slice(1)
  const dims = holdsFeeds(array, input) ? sample : [count, ...sample]
  const { scale = 1, offset = 0 } = Object.hasOwn(spec.arrays, name) ? spec.arrays[name]! : {}
  const data = convert(viewAs(array.slice(start, count), array.dtype), array.dtype, dtype, { scale, offset })
  return { dtype, dims, data }
}
