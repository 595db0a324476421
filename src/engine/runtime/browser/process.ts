/** A process of its own that runs float model and artifact as a browser does: a crash, a leak or a hang there ends nothing else. */
import { feedsFor } from '../feeds.ts'
import { openWebgpu } from '../ort.ts'
import type { RunTensor, Runtime, Session } from '../runtime.ts'
import { timesInTurns } from '../turns.ts'
import type { BrowserMessage, BrowserTask } from './protocol.ts'
import { openWasm } from './wasm.ts'

const OPEN: Record<BrowserTask['runtime'], () => Runtime> = { wasm: openWasm, webgpu: openWebgpu }
const TURNS = { most: 50, least: 5, budgetMs: 3000, threads: 1, now: () => performance.now() }

/** Messages are large: the process must not end before they are gone. */
const tell = (message: BrowserMessage) => new Promise<void>((sent) => process.send?.(message, () => sent()))

process.once('disconnect', () => process.exit())
process.once('message', (task: BrowserTask) =>
  answer(task).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error
    const { model, verb, message } = error
    return tell({ type: 'failed', model, verb, message }).then(() => process.exit())
  }),
)

class Failure extends Error {
  readonly model: 'float' | 'quantized'
  readonly verb: 'load' | 'run'
  constructor(model: Failure['model'], verb: Failure['verb'], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause))
    this.model = model
    this.verb = verb
  }
}

const failing = (model: 'float' | 'quantized', verb: 'load' | 'run') => (cause: unknown) => {
  throw new Failure(model, verb, cause)
}

async function answer(task: BrowserTask): Promise<void> {
  const runtime = OPEN[task.runtime]()
  await tell({ type: 'version', version: runtime.version })
  const float = await runtime.load(task.float, { optimization: 'all' }).catch(failing('float', 'load'))
  const quantized = await runtime.load(task.quantized, { optimization: 'all' }).catch(failing('quantized', 'load'))
  for (const feeds of task.feeds)
    await tell({
      type: 'outputs',
      float: await float.run(feeds).catch(failing('float', 'run')),
      quantized: await quantized.run(feedsFor(quantized, feeds)).catch(failing('quantized', 'run')),
    })
  const [first] = task.feeds
  if (first) await measure(task, runtime, { float, quantized }, first)
  await tell({ type: 'done' })
  process.exit()
}

async function measure(
  { runtime: name, quantized: path, timed }: BrowserTask,
  runtime: Runtime,
  { float, quantized }: Record<'float' | 'quantized', Session>,
  feeds: Record<string, RunTensor>,
): Promise<void> {
  const own = feedsFor(quantized, feeds)
  if (name === 'webgpu') await tell({ type: 'kernels', kernels: await profile(runtime, path, own) })
  if (!timed) return
  const [a, b] = await timesInTurns([() => float.run(feeds), () => quantized.run(own)], TURNS)
  await tell({ type: 'times', float: a ?? [], quantized: b ?? [] })
}

async function profile(runtime: Runtime, path: string, feeds: Record<string, RunTensor>) {
  const session = await runtime.load(path, { optimization: 'all', profile: 'times' })
  await session.run(feeds)
  const kernels = session.kernels?.() ?? []
  await session.release()
  return kernels
}
