/** Takes a .zip apart that holds a model with its external data: each member becomes a stored file of its own. */
import type { Readable } from 'node:stream'
import yauzl from 'yauzl'
import type { Deps } from '../deps.ts'
import { reserveBytes } from '../owners/reserve-bytes.ts'
import { FewbitError, messageOf } from '../shared/errors.ts'
import { cut } from '../shared/some.ts'
import { type Received, receive } from '../storage/receive.ts'

export interface Member extends Received {
  /** beside the model: without directories */
  filename: string
  isModel: boolean
}

interface Unbundling {
  owner: string
  signal: AbortSignal
  /** told of each member as soon as it is stored: whoever called settles them in every case */
  onStored: (member: Member) => void
}

const MOST_MEMBERS = 1000
const MAGIC = Buffer.from('PK\u0003\u0004')
/** what systems put into archives on their own */
const NOISE = /(^|\/)(__MACOSX\/|\.DS_Store$|Thumbs\.db$)/

/** Whether a stored file begins as a .zip does, which no ONNX file can: field 10 of a protobuf with a type that there is not. */
export async function isBundle({ store }: Pick<Deps, 'store'>, { sha256, size }: Received): Promise<boolean> {
  if (size < MAGIC.length) return false
  const stream = await store.get(sha256, { start: 0, end: MAGIC.length - 1 })
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).equals(MAGIC)
}

/** Throws model_bundle_invalid and stored_bytes_exceeded. */
export async function unbundle(deps: Deps, bundle: Received, how: Unbundling): Promise<void> {
  await deps.store.withFile(bundle.sha256, async (path) => {
    const zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false }).catch(refuse)
    try {
      const members = await membersOf(zip)
      const size = sizeOf(deps, members)
      const reserved = await reserveBytes(deps, how.owner, size)
      try {
        for (const member of members) how.onStored(await storeMember(deps, zip, member, how.signal))
      } finally {
        reserved.end()
      }
    } finally {
      zip.close()
    }
  })
}

/** Of all members, as they say themselves; more than that is not read. */
function sizeOf({ config }: Deps, members: readonly Listed[]): number {
  const size = members.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0)
  if (size <= config.MAX_UPLOAD_BYTES) return size
  throw invalid(`it expands to ${size} bytes; ${config.MAX_UPLOAD_BYTES} are accepted`)
}

interface Listed {
  entry: yauzl.Entry
  filename: string
  isModel: boolean
}

/** One model, and what lies in its directory. */
async function membersOf(zip: yauzl.ZipFile): Promise<Listed[]> {
  if (zip.entryCount > MOST_MEMBERS) throw invalid(`it has ${zip.entryCount} members; at most ${MOST_MEMBERS} are read`)
  const entries: yauzl.Entry[] = []
  try {
    for await (const entry of zip.eachEntry()) if (isFile(entry)) entries.push(entry)
  } catch (error) {
    refuse(error)
  }
  const models = entries.filter(({ fileName }) => fileName.endsWith('.onnx'))
  const [model] = models
  if (!model || models.length > 1) throw invalid(`it holds ${models.length} .onnx files; exactly one is needed`)
  const directory = model.fileName.slice(0, model.fileName.lastIndexOf('/') + 1)
  return entries
    .filter(({ fileName }) => fileName.startsWith(directory) && !fileName.slice(directory.length).includes('/'))
    .map((entry) => ({ entry, filename: entry.fileName.slice(directory.length), isModel: entry === model }))
}

const isFile = ({ fileName }: yauzl.Entry): boolean => !fileName.endsWith('/') && !NOISE.test(fileName)

async function storeMember(
  deps: Deps,
  zip: yauzl.ZipFile,
  { entry, filename, isModel }: Listed,
  signal: AbortSignal,
): Promise<Member> {
  if (entry.isEncrypted() || !entry.canDecodeFileData())
    throw invalid(`${cut(filename, 100)} is encrypted, or compressed in a way that is not known`)
  const stream: Readable = await zip.openReadStreamPromise(entry).catch(refuse)
  const received = await receive(deps, stream, { maxBytes: entry.uncompressedSize, signal }).catch((error) => {
    const isOurs = error instanceof FewbitError && error.code !== 'payload_too_large'
    throw isOurs ? error : invalid(`${cut(filename, 100)}: ${messageOf(error)}`)
  })
  return { ...received, filename, isModel }
}

function refuse(error: unknown): never {
  throw invalid(messageOf(error))
}

const invalid = (detail: string): FewbitError =>
  new FewbitError('model_bundle_invalid', `the .zip cannot be used: ${detail}`, {
    hint: 'Put the .onnx file and its external data into one directory of the .zip.',
  })
