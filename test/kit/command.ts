/** The command `fewbit` as a shell would start it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { leashed } from './processes.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export interface Running extends Promise<Ran> {
  child: ChildProcess
  /** what it has written to standard error so far */
  stderr(): string
}

interface Surroundings {
  directory: string
  env?: Record<string, string>
  main?: string
}

/** Starts it in `directory`, with temporary files there too. */
export function startCommand(args: readonly string[], { directory, env = {}, main = MAIN }: Surroundings): Running {
  const [file, ...rest] = leashed([process.execPath, main, ...args])
  const own = { PATH: process.env.PATH ?? '', HOME: directory, TMPDIR: directory, ...env }
  const child = spawn(file, rest, { cwd: directory, env: own, stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (text.stdout += chunk))
  child.stderr.on('data', (chunk) => (text.stderr += chunk))
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...text }))
  })
  return Object.assign(ended, { child, stderr: () => text.stderr })
}
