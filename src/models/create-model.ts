/** Makes a model of received files: inspects them and records them once per owner. */
import type { Deps } from '../deps.ts'
import { insertUpload } from '../owners/insert-upload.ts'
import { storedBytesExceeded } from '../owners/reserve-bytes.ts'
import { newId } from '../shared/ids.ts'
import { claim, release } from '../storage/refs.ts'
import type { Store } from '../storage/store.ts'
import { findModel } from './get-model.ts'
import { inspectModel } from './inspect.ts'
import { identitiesKey, identityOf, modelKey, modelRef, modelsKey } from './keys.ts'
import type { Metadata, ModelFile, ModelRecord } from './model.ts'

export interface NewModel {
  name: string
  metadata: Metadata
  /** stored already: the model first, then its external data */
  files: readonly [ModelFile, ...ModelFile[]]
}

export interface Created {
  model: ModelRecord
  /** false: the owner had these bytes before */
  created: boolean
}

/** Throws what inspection throws (model_not_onnx, model_external_data, …), and stored_bytes_exceeded. */
export async function createModel(deps: Deps, owner: string, input: NewModel): Promise<Created> {
  const known = await findSame(deps, owner, input.files)
  if (known) return { model: known, created: false }
  const model = await describe(deps, owner, input)
  for (const { sha256 } of model.files) await claim(deps, sha256, modelRef(model.id))
  const stored = await insertOnce(deps, model)
  if (stored?.id === model.id) return { model, created: true }
  for (const { sha256 } of model.files) await release(deps, sha256, modelRef(model.id))
  if (!stored) throw storedBytesExceeded(deps.config.MAX_STORED_BYTES)
  return { model: stored, created: false }
}

async function findSame(deps: Deps, owner: string, files: readonly ModelFile[]): Promise<ModelRecord | null> {
  const id = await deps.redis.hget(identitiesKey(deps, owner), identityOf(files))
  return id === null ? null : findModel(deps, id)
}

/** of memory: what a thread takes on its own, and how often it holds the model's file */
const BASE_BYTES = 64 << 20
const COPIES = 6

async function describe(deps: Deps, owner: string, { name, metadata, files }: NewModel): Promise<ModelRecord> {
  const cost = BASE_BYTES + COPIES * files[0].size
  const summary = await deps.inspections.run(cost, () => inspectStored(deps.store, files))
  return {
    id: newId('mdl'),
    object: 'model',
    owner,
    name,
    created_at: new Date().toISOString(),
    size_bytes: files.reduce((sum, file) => sum + file.size, 0),
    sha256: files[0].sha256,
    inputs: summary.inputs,
    outputs: summary.outputs,
    opset: summary.opset,
    opsets: summary.opsets,
    ir_version: summary.ir_version,
    parameters: summary.parameters,
    op_types: summary.op_types,
    precision: summary.precision,
    producer: summary.producer,
    warnings: summary.warnings,
    files: [...files],
    metadata,
  }
}

function inspectStored(store: Store, [first, ...external]: NewModel['files']) {
  return withFiles(store, [first, ...external], ([model, ...paths]) =>
    inspectModel({ model: model!, external: Object.fromEntries(external.map((file, i) => [file.path, paths[i]!])) }),
  )
}

/** Opens the files one inside the other, then calls `use` with their paths. */
function withFiles<T>(
  store: Store,
  [file, ...rest]: readonly ModelFile[],
  use: (paths: string[]) => Promise<T>,
): Promise<T> {
  if (!file) return use([])
  return store.withFile(file.sha256, (path) => withFiles(store, rest, (paths) => use([path, ...paths])))
}

/** Writes the record unless a concurrent upload of the same bytes was faster; then that one is the answer. */
function insertOnce(deps: Deps, model: ModelRecord): Promise<ModelRecord | null> {
  return insertUpload(deps, model, {
    keyOf: (id) => modelKey(deps, id),
    list: modelsKey(deps, model.owner),
    identities: identitiesKey(deps, model.owner),
    identity: identityOf(model.files),
  })
}
