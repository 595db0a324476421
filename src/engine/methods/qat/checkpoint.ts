/** The state of a training as one file: a line of JSON, then the numbers. Written beside its name and moved there, so that it is whole or absent. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { Score } from './evaluate.ts'

export interface Best {
  step: number
  score: Score
  /** by slot */
  numbers: Float32Array[]
}

export interface CurvePoint {
  step: number
  loss: number
  learning_rate: number
}

export interface Judged extends Score {
  step: number
}

export interface State {
  /** steps that are done */
  step: number
  /** by slot: its numbers and their moments */
  numbers: Float32Array[][]
  /** by slot: its numbers, averaged over the last steps */
  average: Float32Array[]
  best: Best | null
  curve: CurvePoint[]
  judged: Judged[]
  /** of the curve's next point: sum and count of losses */
  pending: { sum: number; count: number }
  /** spent in steps, over all attempts */
  seconds: number
}

/** version of the file's layout */
const FORMAT = 'fewbit training 2'

interface Header extends Omit<State, 'numbers' | 'average' | 'best'> {
  format: string
  fingerprint: string
  best: Omit<Best, 'numbers'> | null
  /** elements of every array in the file, in order */
  lengths: number[][]
  bestLengths: number[]
}

/** `fingerprint` says what is trained on what: another job's state is not taken. */
export function writeCheckpoint(path: string, state: State, fingerprint: string): void {
  const { numbers, average, best, ...rest } = state
  const header: Header = {
    ...rest,
    format: FORMAT,
    fingerprint,
    best: best && { step: best.step, score: best.score },
    lengths: numbers.map((arrays) => arrays.map(({ length }) => length)),
    bestLengths: best?.numbers.map(({ length }) => length) ?? [],
  }
  const temporary = `${path}.part`
  const file = openSync(temporary, 'w')
  try {
    writeSync(file, `${JSON.stringify(header)}\n`)
    for (const array of [...numbers.flat(), ...average, ...(best?.numbers ?? [])]) writeAll(file, array)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

function writeAll(file: number, { buffer, byteOffset, byteLength }: Float32Array): void {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength)
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
}

/** The state at `path`; null when there is none that fits. */
export function readCheckpoint(path: string, fingerprint: string): State | null {
  if (!existsSync(path)) return null
  const bytes = readFileSync(path)
  const end = bytes.indexOf(0x0a)
  const header = headerOf(bytes.subarray(0, Math.max(end, 0)).toString('utf8'))
  if (header?.format !== FORMAT || header.fingerprint !== fingerprint) return null
  const { format: _, fingerprint: __, lengths, bestLengths, best, ...rest } = header
  const averages = lengths.map(([length]) => length ?? 0)
  const expected =
    [...lengths.flat(), ...averages, ...bestLengths].reduce((a, b) => a + b, 0) * Float32Array.BYTES_PER_ELEMENT
  if (bytes.length !== end + 1 + expected) return null
  let at = end + 1
  const next = (length: number): Float32Array => {
    const array = new Float32Array(length)
    new Uint8Array(array.buffer).set(bytes.subarray(at, at + array.byteLength))
    at += array.byteLength
    return array
  }
  const numbers = lengths.map((arrays) => arrays.map(next))
  const average = averages.map(next)
  const bestNumbers = bestLengths.map(next)
  return { ...rest, numbers, average, best: best && { ...best, numbers: bestNumbers } }
}

function headerOf(text: string): Header | null {
  try {
    return JSON.parse(text) as Header
  } catch {
    return null
  }
}
