/** The API in this process over a private Redis and a temporary store, listening on a free port. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Deps } from '../../src/deps.ts'
import { buildApp, type Patience } from '../../src/http/app.ts'
import { closeDeps, openDeps } from '../../src/open-deps.ts'
import { readConfig } from '../../src/shared/config.ts'
import { createLogger } from '../../src/shared/log.ts'
import { requireSchemas } from './answers.ts'
import { startRedis, type TestRedis } from './redis.ts'

export interface Api {
  url: string
  deps: Deps
  redis: TestRedis
  /** every file in the store, finished or not */
  storedFiles(): Promise<string[]>
  close(): Promise<void>
}

export async function startApi(env: Record<string, string> = {}, options: Partial<Patience> = {}): Promise<Api> {
  const redis = await startRedis()
  const { directory } = redis
  const config = readConfig({ DATA_DIR: directory, REDIS_URL: redis.url, LOG_LEVEL: 'silent', ...env })
  const deps = await openDeps(config, createLogger(config.LOG_LEVEL, 'api'))
  const app = buildApp(deps, options)
  requireSchemas(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    deps,
    redis,
    async storedFiles() {
      const entries = await readdir(join(directory, 'store'), { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
    },
    async close() {
      await app.close()
      await closeDeps(deps)
      await redis.close()
    },
  }
}
