/** A folder that appears when all of it is there. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { FewbitError } from '../../shared/errors.ts'

/** Calls `write` with a directory on the same disk, which then takes the place of `output`. Throws output_exists. */
export async function intoFolder<T>(
  output: string,
  overwrite: boolean,
  write: (staging: string) => Promise<T>,
): Promise<T> {
  const directory = resolve(output)
  if (!overwrite) refuseFilled(directory, output)
  const made = mkdirSync(dirname(directory), { recursive: true })
  const staging = mkdtempSync(join(dirname(directory), '.fewbit-'))
  let isDone = false
  try {
    const result = await write(staging)
    if (!overwrite) refuseFilled(directory, output)
    moveInto(staging, directory)
    isDone = true
    return result
  } finally {
    rmSync(made && !isDone ? made : staging, { recursive: true, force: true })
  }
}

function refuseFilled(directory: string, output: string): void {
  const found = statSync(directory, { throwIfNoEntry: false })
  if (!found || (found.isDirectory() && readdirSync(directory).length === 0)) return
  throw new FewbitError('output_exists', `${output} exists already`)
}

function moveInto(staging: string, directory: string): void {
  if (!existsSync(directory) || readdirSync(directory).length === 0) {
    rmSync(directory, { recursive: true, force: true })
    renameSync(staging, directory)
  } else cpSync(staging, directory, { recursive: true, force: true })
}
