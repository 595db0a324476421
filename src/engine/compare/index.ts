/** The library's comparison: several methods and targets for one model, one after the other, and what to make of them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Comparison } from '../../contract/comparison.ts'
import { Goals } from '../../contract/goals.ts'
import { DatasetSpec } from '../../contract/recipe.ts'
import { LEAST_WITH_PARTS } from '../../contract/runner-protocol.ts'
import { FewbitError } from '../../shared/errors.ts'
import { describeAny } from '../data/open.ts'
import { asFewbitError } from '../errors.ts'
import { pathOf, withScratch } from '../files.ts'
import { type Data, dataOf, type QuantizeOptions, type Source } from '../options.ts'
import { type Quantized, type QuantizedFiles, quantize } from '../quantize.ts'
import { nameOf } from '../targets/index.ts'
import type { Candidate } from './candidate.ts'
import { failed, floatFacts, succeeded, waiting } from './facts.ts'
import { candidatesFor, parsed } from './methods.ts'
import type { Compared, CompareOptions } from './options.ts'
import { type Entry, tableOf } from './rules/table.ts'

export type { Compared, CompareOptions, ComparisonProgress } from './options.ts'

/** The document of a comparison that has an output. */
const DOCUMENT = 'comparison.json'

interface Row extends Entry {
  result: Quantized | QuantizedFiles | null
}

/**
 * Quantizes a model by several methods for several targets, judges all of them on the same samples, and recommends one. A method that fails is a row that
 * says why. `stop` ends with the rows so far, `signal` with an error of the code `canceled`. Throws FewbitError.
 */
export async function compare(model: Source, options: CompareOptions): Promise<Compared> {
  const { signal, output, overwrite = false, onRow } = options
  try {
    signal?.throwIfAborted()
    const goals = parsed(Goals, options.goals ?? {}, '/goals')
    const candidates = candidatesFor(options)
    if (output !== undefined && !overwrite) refuseExisting(output)
    const shared = { ...options, ...(await judgingData(options)) }
    const rows: Row[] = candidates.map((candidate) => ({ facts: waiting(candidate), scores: null, result: null }))
    const table = () => tableOf([floatOf(rows), ...rows], goals)
    for (const [i, candidate] of candidates.entries()) {
      rows[i] = isStopped(options) ? canceled(candidate) : await runRow(model, shared, candidate, i, candidates.length)
      onRow?.(table())
    }
    const comparison = table()
    if (output !== undefined) write(output, comparison)
    return { comparison, results: [null, ...rows.map(({ result }) => result)] }
  } catch (error) {
    throw asFewbitError(error, 'compare', signal)
  }
}

function refuseExisting(output: string): void {
  if (!existsSync(join(resolve(output), DOCUMENT))) return
  throw new FewbitError('output_exists', `${output} holds a comparison already`, {
    param: '/output',
    hint: 'name another directory, or say that it may be overwritten',
  })
}

function write(output: string, comparison: Comparison): void {
  mkdirSync(resolve(output), { recursive: true })
  writeFileSync(join(resolve(output), DOCUMENT), JSON.stringify(comparison, null, 1))
}

const isStopped = ({ stop }: CompareOptions): boolean =>
  typeof stop === 'function' ? stop() : (stop?.aborted ?? false)

const canceled = (candidate: Candidate): Row => ({
  facts: { ...waiting(candidate), status: 'canceled' },
  scores: null,
  result: null,
})

const floatOf = (rows: readonly Row[]): Entry => ({
  facts: floatFacts(rows.flatMap(({ result }) => result?.report ?? [])),
  scores: null,
})

/** Methods are compared on the same samples: those that are named, or a part of the calibration data that then calibrates nothing. */
async function judgingData({ calibration, evaluation }: CompareOptions) {
  const data = dataOf(calibration)
  if (evaluation !== undefined || !data || data.part || (await samplesIn(data)) < LEAST_WITH_PARTS) return {}
  const { samples: _, ...judging } = data
  return {
    calibration: { ...data, part: 'others' },
    evaluation: { ...judging, part: 'held_out' },
  } as const
}

const samplesIn = ({ data, images, text }: Data): Promise<number> =>
  withScratch(undefined, async (scratch) => {
    // how many there are does not depend on what they are for
    const spec = DatasetSpec.parse({ text, ...(images && { images: { input: 'any', ...images } }) })
    return (await describeAny(pathOf(data, scratch, 'data.npz'), spec)).samples
  })

async function runRow(
  model: Source,
  options: CompareOptions,
  candidate: Candidate,
  index: number,
  rows: number,
): Promise<Row> {
  const { now = () => performance.now(), signal } = options
  const started = now()
  let peak = 0
  const seen = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const cost = () => ({ seconds: (now() - started) / 1000, peak_memory_bytes: peak || null })
  try {
    const result = await quantize(model, rowOptions(options, candidate, { index, rows, seen }))
    seen()
    return { facts: succeeded(candidate, result.report, cost()), scores: result.scores, result }
  } catch (error) {
    if (signal?.aborted) throw error
    return { facts: failed(candidate, asFewbitError(error, 'compare'), cost()), scores: null, result: null }
  }
}

interface Place {
  index: number
  rows: number
  seen: () => void
}

function rowOptions(options: CompareOptions, candidate: Candidate, { index, rows, seen }: Place): QuantizeOptions {
  const { targets: _, methods: __, goals: ___, onProgress, onRow: ____, output, ...shared } = options
  const { name, target, method } = candidate
  return {
    ...shared,
    target,
    method,
    ...(output !== undefined && { output: join(output, nameOf(target), name) }),
    onProgress: ({ fraction, message }) => {
      seen()
      onProgress?.({ row: index + 1, name, target: nameOf(target), fraction: (index + fraction) / rows, message })
    },
  }
}
