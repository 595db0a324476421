/** What ONNX Runtime's profiler wrote: how long each node's kernel took. */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

interface Event {
  cat?: string
  name: string
  /** microseconds */
  dur: number
}

const KERNEL = '_kernel_time'
/** Behind the name of a node that took the place of others. */
const TOKEN = /_token_\d+$/

/** Median milliseconds of a run by node, and removes the file. `prefix` is the path that the profile's name begins with. */
export function readKernelTimes(prefix: string): Map<string, number> {
  const durations = new Map<string, number[]>()
  for (const name of readdirSync(dirname(prefix)).filter((name) => name.startsWith(`${basename(prefix)}_`))) {
    const path = join(dirname(prefix), name)
    for (const event of JSON.parse(readFileSync(path, 'utf8')) as Event[]) {
      if (event.cat !== 'Node' || !event.name.endsWith(KERNEL)) continue
      const node = event.name.slice(0, -KERNEL.length).replace(TOKEN, '')
      durations.set(node, [...(durations.get(node) ?? []), event.dur])
    }
    unlinkSync(path)
  }
  return new Map([...durations].map(([node, all]) => [node, median(all) / 1000]))
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!
