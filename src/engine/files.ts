/** Where a run works and where its results go: nothing half-written stays, whatever happens. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FewbitError } from '../shared/errors.ts'
import { dataFileOf } from './onnx/index.ts'
import type { Source } from './options.ts'
import { filesIn } from './report/documents.ts'
import { MODEL_FILE, TFLITE_FILE } from './run.ts'

/** The absolute path of a source; bytes are written to `name` in `scratch` first. Throws not_found. */
export function pathOf(source: Source, scratch: string, name: string): string {
  if (source instanceof Uint8Array) {
    const path = join(scratch, name)
    writeFileSync(path, source)
    return path
  }
  const path = typeof source === 'string' ? resolve(source) : fileURLToPath(source)
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path
  throw new FewbitError('not_found', `there is no file ${typeof source === 'string' ? source : path}`)
}

/** Uses a directory for working files: the given one, or one that is removed. */
export async function withScratch<T>(given: string | undefined, use: (directory: string) => Promise<T>): Promise<T> {
  if (given !== undefined) return use(resolve(given))
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Calls `write` with a directory beside the results, whose files take their places together when it is done. Throws output_exists. */
export async function intoDirectory<T>(
  output: string,
  overwrite: boolean,
  write: (staging: string) => Promise<T>,
): Promise<T & { files: string[] }> {
  const directory = resolve(output)
  if (!overwrite) refuseExisting(directory, output)
  const made = mkdirSync(directory, { recursive: true })
  const staging = mkdtempSync(join(directory, '.fewbit-'))
  let isDone = false
  try {
    const result = await write(staging)
    if (!overwrite) refuseExisting(directory, output)
    const files = moveAll(staging, directory)
    isDone = true
    return { ...result, files }
  } finally {
    rmSync(made && !isDone ? made : staging, { recursive: true, force: true })
  }
}

function refuseExisting(directory: string, output: string): void {
  const [found] = filesIn(directory)
  if (!found) return
  throw new FewbitError('output_exists', `${output} holds a file ${found.name} already`, {
    param: '/output',
    hint: 'name another directory, or say that it may be overwritten',
  })
}

/** What an earlier run may have left that this one does not replace. */
const OF_ONE_FORMAT = [dataFileOf(MODEL_FILE), MODEL_FILE, TFLITE_FILE, 'signature.json']

function moveAll(staging: string, directory: string): string[] {
  for (const name of OF_ONE_FORMAT) rmSync(join(directory, name), { force: true })
  return filesIn(staging).map(({ name }) => {
    const path = join(directory, name)
    renameSync(join(staging, name), path)
    return path
  })
}

/** The bytes of an artifact. Throws output_limit where it takes more than one file. */
export function bytesOf(directory: string): Uint8Array {
  const path =
    [TFLITE_FILE, MODEL_FILE].map((name) => join(directory, name)).find((file) => existsSync(file)) ?? directory
  if (!existsSync(dataFileOf(path))) return new Uint8Array(readFileSync(path))
  throw new FewbitError('output_limit', 'the quantized model has more than 2 GiB and does not fit into one file', {
    hint: 'name a directory as output',
  })
}
