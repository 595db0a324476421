/** The fenced blocks of a page of the documentation, in order. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Block {
  /** ts, js, diff or sh */
  language: string
  /** the file that the block is about, where it names one */
  file: string | undefined
  text: string
}

export const ROOT = join(import.meta.dirname, '..', '..', '..')

const FENCED = /^```(?<language>\w+)(?: file=(?<file>\S+))?\n(?<text>[\s\S]*?)^```$/gm

export const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(ROOT, 'docs', page), 'utf8').matchAll(FENCED)].map(({ groups }) => ({
    language: groups?.language ?? '',
    file: groups?.file,
    text: groups?.text ?? '',
  }))
