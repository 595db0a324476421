/** Runs one function of untrusted bytes in a worker thread with limits on time and memory, so that the caller's event loop stays free. */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { type ErrorCode, FewbitError, messageOf } from './errors.ts'
import { cut } from './some.ts'

export interface ThreadLimits {
  timeoutMs: number
  memoryMb: number
}

type Answer<T> = { ok: true; value: T } | { ok: false; code: ErrorCode; detail: string; extra: object }

/** Starts `entry` (a module that calls `answerThread`), hands it `input` (structured clone) and resolves with its answer. */
export function runThread<T>(entry: URL, input: unknown, limits: ThreadLimits): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(entry, {
      workerData: input,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: limits.memoryMb },
    })
    const timer = setTimeout(() => {
      reject(new FewbitError('model_too_complex', `reading the upload took longer than ${limits.timeoutMs} ms`))
      void worker.terminate()
    }, limits.timeoutMs)
    worker.once('message', (answer: Answer<T>) => {
      if (answer.ok) resolve(answer.value)
      else reject(new FewbitError(answer.code, answer.detail, answer.extra))
      void worker.terminate()
    })
    worker.once('error', (error: NodeJS.ErrnoException) => {
      const exhausted = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      reject(
        exhausted ? new FewbitError('model_too_complex', 'reading the upload needs more memory than allowed') : error,
      )
    })
    worker.once('exit', () => {
      clearTimeout(timer)
      reject(new Error('the reading thread ended without an answer'))
    })
  })
}

const LONGEST_DETAIL = 2000

/** The thread's side: runs `work` on the input and posts the value or the error. */
export async function answerThread<I, T>(work: (input: I) => T | Promise<T>): Promise<void> {
  try {
    parentPort?.postMessage({ ok: true, value: await work(workerData as I) })
  } catch (error) {
    const known = error instanceof FewbitError
    const { cause: _, ...extra } = known ? error.extra : {}
    const detail = cut(messageOf(error), LONGEST_DETAIL)
    parentPort?.postMessage({ ok: false, code: known ? error.code : 'internal', detail, extra })
  }
}
