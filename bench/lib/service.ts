/** A service for a bench: started as `npm start` does, with the processes' ids found under it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface RunningService {
  url: string
  stop(): Promise<void>
}

export interface BenchService extends RunningService {
  /** resident bytes of the API process */
  apiMemory(): number
}

/** Runs `work` against a fresh service and removes its data afterwards. */
export async function withService<T>(work: (service: BenchService) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-bench-'))
  const service = await startService(directory)
  const pid = pidOf('src/server.js', directory)
  try {
    return await work({ ...service, apiMemory: () => residentBytes(pid) })
  } finally {
    await service.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Throws what the service said when it does not start. */
async function startService(dataDir: string): Promise<RunningService> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'workers', 'dev.js')], {
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const found = /Fewbit is listening on (\S+)/.exec(said)?.[1]
        if (found) resolve(found)
      })
    }
    child.once('exit', () => reject(new Error(said.trim())))
  })
  const stop = async () => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  return { url, stop }
}

/** The process that runs `script` with this data directory. */
function pidOf(script: string, directory: string): number {
  const pids = execFileSync('pgrep', ['-f', script], { encoding: 'utf8' }).trim().split('\n').map(Number)
  const own = pids.find((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(directory))
  if (!own) throw new Error(`no process runs ${script}`)
  return own
}

function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return 1024 * Number(line?.[1])
}
