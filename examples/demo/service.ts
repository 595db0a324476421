/** Starts the service as `npm start` does, on a free port with data of its own, and stops it again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface RunningService {
  url: string
  stop(): Promise<void>
}

/** Throws what the service said when it does not start. */
export async function startService(dataDir: string): Promise<RunningService> {
  const entry = join(import.meta.dirname, '..', '..', 'workers', 'dev.js')
  const child = spawn(process.execPath, [entry], {
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
  return {
    url,
    async stop() {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}
