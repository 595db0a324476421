/** Writes openapi.yaml from the route schemas; with --check only compares and fails on drift. */
import { readFile, writeFile } from 'node:fs/promises'
import type { Deps } from '../deps.ts'
import { readConfig } from '../shared/config.ts'
import { createLogger } from '../shared/log.ts'
import { openMetrics } from '../telemetry/metrics.ts'
import { NO_TRACING } from '../telemetry/tracing.ts'
import { buildApp } from './app.ts'
import { toYaml } from './plugins/documentation.ts'

const FILE = 'openapi.yaml'

/** No collaborator is called here: routes only hold them. */
async function generate(): Promise<string> {
  const log = createLogger('silent', 'openapi')
  const deps = { config: readConfig({}), log, metrics: openMetrics(), tracing: NO_TRACING }
  const app = buildApp(deps as Deps)
  await app.ready()
  return toYaml(app)
}

const text = await generate()
if (!process.argv.includes('--check')) {
  await writeFile(FILE, text)
} else if (text !== (await readFile(FILE, 'utf8'))) {
  console.error(`${FILE} does not match the route schemas: run node dist/src/http/write-openapi.js`)
  process.exitCode = 1
}
