/** A command line of `fewbit` in a process of its own, for those who want its answer as an object: it can be stopped, and what breaks it breaks nothing else. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Verb {
  /** the verb first */
  args: readonly string[]
  /** where relative paths begin */
  directory: string
  signal: AbortSignal
  onProgress: (line: string) => void
}

export interface Said {
  exitCode: number
  /** the JSON object that the command printed */
  found: Record<string, unknown>
}

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
/** of standard output: a report of a large model has some megabytes */
const MOST_BYTES = 64 << 20

/** Throws where the command could not be run, was stopped, or printed no object. */
export async function runVerb({ args, directory, signal, onProgress }: Verb): Promise<Said> {
  const child = spawn(process.execPath, [MAIN, ...args.slice(0, 1), '--json', ...args.slice(1)], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGTERM',
  })
  const printed: Buffer[] = []
  let size = 0
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > MOST_BYTES) child.kill('SIGTERM')
    else printed.push(chunk)
  })
  let rest = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()?.slice(-1000) ?? ''
    for (const line of lines) onProgress(line)
  })
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { exitCode: exitCode ?? -1, found: parsed(Buffer.concat(printed).toString(), rest) }
}

function parsed(text: string, rest: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`the command printed no result${rest ? `: ${rest}` : ''}`)
  }
}
