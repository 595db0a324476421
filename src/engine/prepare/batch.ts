/**
 * How many samples share a run. A first dimension that a file declares free may be free on paper only: something inside is written for one size.
 * So samples are tried together and alone before any stage runs.
 */
import { FewbitError } from '../../shared/errors.ts'
import { type Dataset, readBatch } from '../data/dataset.ts'
import { reordered } from '../data/reorder.ts'
import { batchSizeFor } from '../data/samples.ts'
import type { JobData } from '../data/split.ts'
import { type Run, warn } from '../run.ts'
import type { RunTensor, Session, ValueInfo } from '../runtime/runtime.ts'
import { numbers } from '../verify/numbers.ts'
import { decibels } from '../verify/sums.ts'
import type { Prepared, Sharing } from './index.ts'

/** samples that are tried together: an odd number, which no file has by chance */
const TOGETHER = 3
/** what a file may be written for where one sample alone does not run */
const SIZES = [2, 4, 8, 16, 32, 64, 128, 3, 5, 6, 7, 9, 10, 12, 20, 24]
/** how closely a sample in company follows itself alone, in dB: rounding in another order costs less */
const SAME_DB = 40

type Results = Readonly<Record<string, RunTensor>>

/** The prepared model with the batch that it really takes in its inputs, for every stage; warns where that is not what the file declares. */
export async function settleBatch(run: Run, prepared: Prepared, data: JobData): Promise<Prepared> {
  const dataset = data.calibration ?? data.training ?? data.evaluation
  const isFree = dataset !== null && batchSizeFor(prepared.inputs, dataset, TOGETHER) === TOGETHER
  if (!isFree || prepared.inputs.length === 0) return prepared
  const session = await run.runtime.load(prepared.floatPath, { optimization: 'all' })
  try {
    const found = await tryTogether(session, dataset, prepared.inputs)
    if (found.why) warn(run, [{ code: 'batch_not_free', detail: detailOf(found.size, found.why) }])
    const inputs =
      found.sharing === 'none' ? prepared.inputs.map((info) => withBatch(info, found.size)) : prepared.inputs
    return { ...prepared, inputs, sharing: found.sharing }
  } finally {
    await session.release()
  }
}

const withBatch = (info: ValueInfo, size: number): ValueInfo => ({ ...info, shape: [size, ...info.shape.slice(1)] })

const detailOf = (size: number, why: string): string =>
  `the file declares that its first dimension is free, but the model takes ${size === 1 ? 'one sample' : `${size} samples`} at a time: ${why}. Every stage ran it so; to free the dimension, export the model with a dynamic batch`

interface Found {
  sharing: Sharing
  /** samples in one run, where they cannot share one freely */
  size: number
  /** why they cannot */
  why?: string
}

async function tryTogether(session: Session, dataset: Dataset, inputs: readonly ValueInfo[]): Promise<Found> {
  const middle = dataset.samples >> 1
  const chosen = (count: number) =>
    Array.from({ length: count }, (_, i) => (middle + (i - (count >> 1)) + count * dataset.samples) % dataset.samples)
  const runOf = (indices: readonly number[]) =>
    attempt(session, readBatch(reordered(dataset, indices), inputs, 0, indices.length))
  const together = await runOf(chosen(TOGETHER))
  const alone = await runOf([middle])
  if ('failure' in alone) return 'failure' in together ? bakedSize(runOf, chosen, alone.failure) : FREE
  if ('failure' in together) return { sharing: 'none', size: 1, why: `several together fail: ${together.failure}` }
  return compare(together.results, alone.results)
}

const FREE: Found = { sharing: 'rows', size: 1 }

type Attempt = { results: Results } | { failure: string }

async function attempt(session: Session, feeds: Results): Promise<Attempt> {
  try {
    return { results: await session.run(feeds) }
  } catch (error) {
    if (error instanceof FewbitError) return { failure: error.message }
    throw error
  }
}

/** The number of samples that a file was written for; where none is found, the stage that runs the model says what is wrong. */
async function bakedSize(
  runOf: (indices: readonly number[]) => Promise<Attempt>,
  chosen: (count: number) => number[],
  failure: string,
): Promise<Found> {
  for (const size of SIZES)
    if (!('failure' in (await runOf(chosen(size)))))
      return { sharing: 'none', size, why: `one sample alone fails: ${failure}` }
  return FREE
}

/** Whether the middle one of the samples that shared a run has the results that it has alone. */
function compare(together: Results, alone: Results): Found {
  let sharing: Sharing = 'rows'
  for (const [name, own] of Object.entries(alone)) {
    const joint = together[name]
    const axis = joint && batchAxis(joint.dims, own.dims)
    const why = `output "${name}" is not the same for a sample in company and alone`
    if (!joint || axis === undefined || !isSame(own, joint, axis)) return { sharing: 'none', size: 1, why }
    if (axis !== null && axis > 0) sharing = 'mixed'
  }
  return { sharing, size: 1 }
}

/** The axis along which samples lie; null where the shape does not depend on them, undefined where it does in another way. */
function batchAxis(joint: readonly number[], own: readonly number[]): number | null | undefined {
  const grown = [...own.keys()].filter((axis) => joint[axis] !== own[axis])
  if (joint.length !== own.length) return undefined
  const [axis] = grown
  if (axis === undefined) return null
  return grown.length === 1 && joint[axis] === TOGETHER * own[axis]! ? axis : undefined
}

function isSame(own: RunTensor, joint: RunTensor, axis: number | null): boolean {
  if (Array.isArray(own.data)) return true
  const [expected, all] = [numbers(own), numbers(joint)]
  const inner = axis === null ? expected.length : product(own.dims.slice(axis))
  const blocks = axis === null ? 1 : TOGETHER
  const offset = axis === null ? 0 : inner * (TOGETHER >> 1)
  const sums = { signal: 0, noise: 0 }
  for (const [i, value] of expected.entries()) {
    const other = all[Math.floor(i / inner) * inner * blocks + offset + (i % inner)]!
    if (Object.is(value, other) || !Number.isFinite(value)) continue
    sums.noise += (value - other) ** 2
  }
  for (const value of expected) if (Number.isFinite(value)) sums.signal += value * value
  return decibels(sums) >= SAME_DB
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)
