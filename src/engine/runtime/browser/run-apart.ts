/** Runs a float model and an artifact as a browser does, in a process of its own, and collects what it says. */
import { type ChildProcess, fork } from 'node:child_process'
import type { ExecutedKernel } from '../runtime.ts'
import type { BrowserMessage, BrowserTask, Pair, Times } from './protocol.ts'

export interface BrowserOutcome {
  version: string | null
  pairs: Pair[]
  kernels: ExecutedKernel[] | null
  times: Times | null
  /** null where all of it ran */
  failure: BrowserFailure | null
}

export interface BrowserFailure {
  /** null where the process itself ended */
  model: 'float' | 'quantized' | null
  verb: 'load' | 'run' | null
  /** of ONNX Runtime, or ours */
  message: string
}

const PROCESS = new URL('./process.js', import.meta.url)

export interface Surroundings {
  /** added to the environment of this process */
  environment: Record<string, string>
  /** after so long it is given up */
  limitMs: number
}

/** Never throws: whatever happens to the process is an outcome. */
export function runApart(task: BrowserTask, { environment, limitMs }: Surroundings): Promise<BrowserOutcome> {
  const outcome: BrowserOutcome = { version: null, pairs: [], kernels: null, times: null, failure: ENDED }
  const child = fork(PROCESS, {
    serialization: 'advanced',
    execArgv: [],
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return new Promise((resolve) => {
    const kill = (message: string) => {
      outcome.failure = { model: null, verb: null, message }
      child.kill('SIGKILL')
    }
    const timer = setTimeout(kill, limitMs, `it took longer than ${limitMs / 1000} s`)
    listen(child, outcome)
    child.once('error', ({ message }) => kill(message))
    child.once('close', () => {
      clearTimeout(timer)
      resolve(outcome)
    })
    child.send(task, (error) => error && kill(error.message))
  })
}

const ENDED: BrowserFailure = { model: null, verb: null, message: 'its process ended unexpectedly' }

function listen(child: ChildProcess, outcome: BrowserOutcome): void {
  child.on('message', (message: BrowserMessage) => {
    if (message.type === 'version') outcome.version = message.version
    else if (message.type === 'outputs') outcome.pairs.push(message)
    else if (message.type === 'kernels') outcome.kernels = message.kernels
    else if (message.type === 'times') outcome.times = message
    else outcome.failure = message.type === 'failed' ? message : null
  })
}
