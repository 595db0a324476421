/** A runtime for models that no process holds: it loads their parts one after the other, again for every run. */
import type { Model } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { applyTypes, inferTypes, type Types } from '../prepare/types.ts'
import type { ElementArray, LoadOptions, RunTensor, Runtime, Session } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { type Part, partition } from './partition.ts'
import { weightBytes } from './weights.ts'

/** bytes of weights in one part: small beside what a run needs, large beside what opening a session costs */
const PART_BYTES = 128 * 2 ** 20
/** what a part takes of the memory of the process, at most */
const SHARE = 1 / 16

type Feeds = Readonly<Record<string, RunTensor>>
type Results = Record<string, RunTensor>

/** The same runtime, except that models with more weights than fit into a part or two run in parts. */
export function inParts(runtime: Runtime, workspace: Workspace, memoryBytes = Number.POSITIVE_INFINITY): Runtime {
  const partBytes = Math.min(PART_BYTES, memoryBytes * SHARE)
  return {
    ...runtime,
    load: async (path, options) => {
      const { model } = decodeModel(path)
      if (weightBytes(model) <= 2 * partBytes) return runtime.load(path, options)
      const types = await inferTypes(model, runtime, workspace, { aside: true })
      applyTypes(model, types)
      return sessionInParts({ model, types, parts: partition(model, partBytes), runtime, workspace, options })
    },
  }
}

interface InParts {
  model: Model
  types: Types
  parts: readonly Part[]
  runtime: Runtime
  workspace: Workspace
  options: LoadOptions
}

function sessionInParts(input: InParts): Session {
  const { inputs, outputs } = input.types
  const names = outputs.map(({ name }) => name)
  const saved = input.options.saveTo ? input.parts.map((_, i) => `${input.options.saveTo}.${i}`) : []
  const run = (feeds: Feeds, fetch: readonly string[], through: RunPart) =>
    runParts(input, saved, feeds, fetch, through)
  return {
    inputs,
    outputs,
    saved,
    run: (feeds, fetch = names) => run(feeds, fetch, once),
    runInto: async (feeds, results) => {
      const found = await run(feeds, Object.keys(results), once)
      for (const [name, tensor] of Object.entries(found)) copyInto(results[name]!, tensor)
    },
    time: async (feeds, runs, now) => {
      const times = new Array<number>(runs).fill(0)
      await run(feeds, names, (session, part) => timed(session, part, times, now))
      return times
    },
    release: async () => {},
  }
}

type RunPart = (session: Session, feeds: Feeds) => Promise<Results>

const once: RunPart = (session, feeds) => session.run(feeds)

/** Adds what each of several runs of a part takes. */
async function timed(session: Session, feeds: Feeds, times: number[], now: () => number): Promise<Results> {
  const results = await session.run(feeds)
  for (let i = 0; i < times.length; i++) {
    const started = now()
    await session.run(feeds)
    times[i]! += now() - started
  }
  return results
}

async function runParts(
  { parts, runtime, workspace, options: { saveTo: _, ...options } }: InParts,
  saved: readonly string[],
  feeds: Feeds,
  fetch: readonly string[],
  through: RunPart,
): Promise<Results> {
  const held = new Map(Object.entries(feeds))
  const wanted = new Set(fetch)
  for (const [i, { model, inputs, outputs }] of parts.entries()) {
    const path = workspace.save('part.onnx', model)
    const session = await runtime.load(path, { ...options, ...(saved[i] && { saveTo: saved[i] }) })
    const results = await through(session, Object.fromEntries(inputs.map((name) => [name, held.get(name)!])))
    await session.release()
    for (const name of outputs) held.set(name, results[name]!)
    const needed = new Set(parts.slice(i + 1).flatMap((part) => part.inputs))
    for (const name of held.keys()) if (!needed.has(name) && !wanted.has(name)) held.delete(name)
  }
  return Object.fromEntries(fetch.map((name) => [name, held.get(name)!]))
}

function copyInto(target: RunTensor, { data }: RunTensor): void {
  const array = target.data as ElementArray & { set(from: unknown): void }
  array.set(data)
}
