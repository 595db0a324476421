/** Makes a data set of a received file: inspects it and records it once per owner and spec. */

import type { DatasetSpec } from '../contract/recipe.ts'
import type { Warning } from '../contract/report.ts'
import type { Deps } from '../deps.ts'
import type { Metadata } from '../models/model.ts'
import { insertUpload } from '../owners/insert-upload.ts'
import { storedBytesExceeded } from '../owners/reserve-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { cut, someOf } from '../shared/some.ts'
import { claim, release } from '../storage/refs.ts'
import type { StoredObject } from '../storage/store.ts'
import type { DatasetRecord } from './dataset.ts'
import { findDataset } from './get-dataset.ts'
import { inspectDataset } from './inspect.ts'
import { datasetKey, datasetRef, datasetsKey, identitiesKey, identityOf } from './keys.ts'

export interface NewDataset {
  name: string
  metadata: Metadata
  spec: DatasetSpec
  /** stored already */
  file: StoredObject
}

export interface Created {
  dataset: DatasetRecord
  /** false: the owner had these bytes with this spec before */
  created: boolean
}

/** Throws what inspection throws (dataset_not_npz, dataset_array_invalid, …), and stored_bytes_exceeded. */
export async function createDataset(deps: Deps, owner: string, input: NewDataset): Promise<Created> {
  const identity = identityOf({ sha256: input.file.sha256, spec: input.spec })
  const known = await findSame(deps, owner, identity)
  if (known) return { dataset: known, created: false }
  const dataset = await describe(deps, owner, input)
  await claim(deps, dataset.sha256, datasetRef(dataset.id))
  const stored = await insertOnce(deps, dataset, identity)
  if (stored?.id === dataset.id) return { dataset, created: true }
  await release(deps, dataset.sha256, datasetRef(dataset.id))
  if (!stored) throw storedBytesExceeded(deps.config.MAX_STORED_BYTES)
  return { dataset: stored, created: false }
}

async function findSame(deps: Deps, owner: string, identity: string): Promise<DatasetRecord | null> {
  const id = await deps.redis.hget(identitiesKey(deps, owner), identity)
  return id === null ? null : findDataset(deps, id)
}

/** of memory: data sets are streamed through, whatever their size */
const COST_BYTES = 128 << 20

async function describe(deps: Deps, owner: string, { name, metadata, spec, file }: NewDataset): Promise<DatasetRecord> {
  const { samples, arrays, labels } = await deps.inspections.run(COST_BYTES, () =>
    deps.store.withFile(file.sha256, (path) => inspectDataset(path, spec)),
  )
  requireClasses(spec, labels)
  requireArrays(
    spec,
    arrays.map((array) => array.name),
  )
  return {
    id: newId('ds'),
    object: 'dataset',
    owner,
    name,
    created_at: new Date().toISOString(),
    size_bytes: file.size,
    sha256: file.sha256,
    samples,
    arrays,
    labels,
    spec,
    warnings: warningsOf(spec, arrays),
    metadata,
  }
}

function requireClasses(spec: DatasetSpec, labels: DatasetRecord['labels']): void {
  if (!labels || spec.labels === 'figures' || !labels.dtype.startsWith('float')) return
  throw new FewbitError('dataset_labels_invalid', `the array "labels" is ${labels.dtype}; classes are integers`, {
    hint: 'store classes as integers; where labels are figures or pictures, say so with the spec {"labels": "figures"}',
  })
}

function requireArrays(spec: DatasetSpec, names: readonly string[]): void {
  const missing = Object.keys(spec.arrays).find((name) => !names.includes(name))
  if (missing === undefined) return
  throw new FewbitError('invalid_request', `the spec names the array "${cut(missing)}"; there are ${someOf(names)}`, {
    param: `/spec/arrays/${missing}`,
  })
}

function warningsOf({ arrays: scaled }: DatasetSpec, arrays: DatasetRecord['arrays']): Warning[] {
  return arrays
    .filter(({ name, dtype }) => /^u?int(8|16)$/.test(dtype) && !Object.hasOwn(scaled, name))
    .map(({ name, dtype }) => ({
      code: 'unscaled_integers',
      detail: `array "${name}" holds ${dtype} and the spec names no scale: a float input gets the integers as they are`,
    }))
}

/** Writes the record unless a concurrent upload of the same bytes was faster; then that one is the answer. */
function insertOnce(deps: Deps, dataset: DatasetRecord, identity: string): Promise<DatasetRecord | null> {
  return insertUpload(deps, dataset, {
    keyOf: (id) => datasetKey(deps, id),
    list: datasetsKey(deps, dataset.owner),
    identities: identitiesKey(deps, dataset.owner),
    identity,
  })
}
