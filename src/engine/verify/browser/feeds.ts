/** Samples for the runtimes of browsers: few, because each is slower than this processor. */
import { batchesOf } from '../../data/samples.ts'
import type { Split } from '../../data/split.ts'
import type { Prepared } from '../../prepare/index.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import type { Verification } from '../verify.ts'

const MOST_RUNS = 32
const MOST_BYTES = 2 ** 25

export interface BrowserFeeds {
  feeds: Record<string, RunTensor>[]
}

/** Held-out samples one by one, or what the verification made up. */
export async function browserFeeds(
  { inputs }: Prepared,
  { verifying }: Split,
  { feeds: probe }: Verification,
): Promise<BrowserFeeds> {
  if (!verifying) return { feeds: probe ? [probe] : [] }
  const found: BrowserFeeds = { feeds: [] }
  let bytes = 0
  for await (const { feeds } of batchesOf(verifying.samples, inputs, 1)) {
    bytes += bytesOf(feeds)
    if (found.feeds.length >= MOST_RUNS || (bytes > MOST_BYTES && found.feeds.length > 0)) break
    found.feeds.push(feeds)
  }
  return found
}

const bytesOf = (feeds: Record<string, RunTensor>): number =>
  Object.values(feeds).reduce((sum, { data }) => sum + (Array.isArray(data) ? 0 : data.byteLength), 0)
