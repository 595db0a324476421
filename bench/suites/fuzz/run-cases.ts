/** Runs the cases of one layer in child processes until a time, and survives whatever they do. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Order, Told } from './child.ts'
import type { Layer, Outcome } from './tries.ts'

export interface Fault {
  index: number
  what: string
}

export interface Tally {
  cases: number
  codes: Map<string, number>
  faults: Fault[]
}

const CHILD = join(import.meta.dirname, 'child.js')
/** after so long without a word a case hangs; the service's own limits are 30 s for a reading and a job's for a job */
const PATIENCE_MS: Record<Layer, number> = { reader: 30_000, engine: 60_000 }

export const openTally = (): Tally => ({ cases: 0, codes: new Map(), faults: [] })

export function count(tally: Tally, index: number, { code, detail, leaks }: Outcome): void {
  tally.cases++
  tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1)
  if (code === 'internal') tally.faults.push({ index, what: `unclear: ${detail}` })
  if (leaks) tally.faults.push({ index, what: 'shows the content of another file' })
}

/** Starts again behind a case that ended its process. */
export async function runCases(layer: Layer, seed: number, until: number, processes: number): Promise<Tally> {
  const tally = openTally()
  const run = async (first: number) => {
    for (let from = first; Date.now() < until; ) {
      const last = await runChild({ layer, seed, from, step: processes, until }, tally)
      if (last === null) return
      from = last + processes
    }
  }
  await Promise.all(Array.from({ length: processes }, (_, i) => run(i)))
  return tally
}

/** The index of the case that ended it, or null when its time was over. */
function runChild(order: Order, tally: Tally): Promise<number | null> {
  const child = fork(CHILD, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
  })
  let open: number | null = order.from
  let hangs = false
  const expect = () =>
    setTimeout(() => {
      hangs = true
      child.kill('SIGKILL')
    }, PATIENCE_MS[order.layer])
  let timer = expect()
  child.on('message', ({ index, outcome }: Told) => {
    clearTimeout(timer)
    timer = expect()
    open = outcome ? null : index
    if (outcome) count(tally, index, outcome)
  })
  child.send(order)
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      if (open === null || code === 0) return resolve(null)
      const outcome = hangs ? 'hangs' : `ends the process (${signal ?? code})`
      tally.cases++
      tally.codes.set(outcome, (tally.codes.get(outcome) ?? 0) + 1)
      if (order.layer === 'reader') tally.faults.push({ index: open, what: outcome })
      resolve(open)
    })
  })
}
