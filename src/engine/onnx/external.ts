/** External data: which files beside a model its tensors may lie in, and nothing else. */
import { FewbitError } from '../../shared/errors.ts'
import { type FileSlice, type OpenFile, openFile, statOf } from '../ir/file.ts'
import type { Message } from './schema.ts'

export interface ExternalFiles {
  /** where a tensor's bytes lie */
  slice(proto: Message<'TensorProto'>): FileSlice
  /** locations that the model refers to */
  used(): string[]
}

/** The path of the file that a location names, or null when it is not part of the upload. */
export type Locate = (location: string) => string | null

const refused = (detail: string, hint?: string) => new FewbitError('model_external_data', detail, hint ? { hint } : {})

/** Throws model_external_data for every location that is not a plain name of a file that `locate` knows. */
export function externalFiles(locate: Locate): ExternalFiles {
  const files = new Map<string, External>()
  const open = (location: string, name: string) => {
    const known = files.get(location)
    if (known) return known
    const opened = openExternal(locate, location, name)
    files.set(location, opened)
    return opened
  }
  return {
    used: () => [...files.keys()],
    slice: (proto) => sliceOf(proto, open),
  }
}

interface External {
  file: OpenFile
  size: number
}

function openExternal(locate: Locate, location: string, tensor: string): External {
  const path = locate(location)
  if (path === null)
    throw refused(
      `tensor "${tensor}" lies in the file "${location}", which is not part of the upload`,
      'upload it in a part named "external" with exactly this file name',
    )
  const file = openFile(path)
  const stats = statOf(file)
  if (stats.isFile()) return { file, size: stats.size }
  throw refused(`tensor "${tensor}" lies in "${location}", which is not a file`)
}

function sliceOf(proto: Message<'TensorProto'>, open: (location: string, name: string) => External): FileSlice {
  const name = (proto.name ?? '').slice(0, 200)
  const entries = new Map((proto.external_data ?? []).map(({ key = '', value = '' }) => [key, value]))
  const location = plainLocation(entries.get('location') ?? '', name)
  const { file, size } = open(location, name)
  const offset = numberOf(entries.get('offset') ?? '0', 'offset', name)
  const length = numberOf(entries.get('length') ?? String(Math.max(size - offset, 0)), 'length', name)
  if (offset + length > size)
    throw refused(`tensor "${name}" needs bytes ${offset} to ${offset + length} of "${location}", which has ${size}`)
  return { file, offset, length }
}

function plainLocation(location: string, tensor: string): string {
  const plain = location.replace(/^\.\//, '')
  if (/^[^/\\\0:*]{1,255}$/.test(plain) && plain !== '.' && plain !== '..') return plain
  throw refused(
    `tensor "${tensor}" refers to ${JSON.stringify(location.slice(0, 200))}; external data must be a plain file name beside the model`,
  )
}

function numberOf(text: string, key: string, tensor: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw refused(`tensor "${tensor}" has the ${key} ${JSON.stringify(text.slice(0, 40))}`)
}
