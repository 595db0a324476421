/** Entry of the worker process: supervises runners, never computes. */
import { join } from 'node:path'
import closeWithGrace from 'close-with-grace'
import { startCollecting } from '../src/collect-unreferenced.ts'
import { closeDeps, openDeps } from '../src/open-deps.ts'
import { reportConfinement } from '../src/queue/confinement.ts'
import { readConfig } from '../src/shared/config.ts'
import { messageOf } from '../src/shared/errors.ts'
import { createLogger } from '../src/shared/log.ts'
import { every, repeat } from '../src/shared/repeat.ts'
import { serveMetrics } from '../src/telemetry/serve-metrics.ts'
import { openJobDirectories, removeLeftovers } from './attempt/job-directory.ts'
import { startHeartbeat } from './heartbeat.ts'
import { openSandbox } from './process/sandbox.ts'
import { startWorker } from './start-worker.ts'

const CLOSE_MS = 20_000
const LEFTOVERS_MS = 60_000

const config = readConfig(process.env)
const log = createLogger(config.LOG_LEVEL, 'worker', config)
const root = join(import.meta.dirname, '..', '..')
const readable = ['dist', 'node_modules', 'package.json'].map((name) => join(root, name))

await removeLeftovers(config.DATA_DIR, true)
const deps = await openDeps(config, log)
const sandbox = await openSandbox(config.SANDBOX, readable, await openJobDirectories(config.DATA_DIR)).catch(refuse)
if (sandbox.gaps.length > 0)
  log.warn(
    { sandbox: sandbox.name, gaps: sandbox.gaps },
    `A hostile model is confined badly here: ${sandbox.gaps.join('; ')}`,
  )
const worker = startWorker(deps, { sandbox, runner: [process.execPath, join(import.meta.dirname, 'runner.js')] })
const stopHeartbeat = startHeartbeat(deps, 'worker', () => reportConfinement(deps, 'here'))
const stopMetrics = await serveMetrics(deps)
const stopCollecting = startCollecting(deps)
const stopRemoving = repeat(removeOthers, every(LEFTOVERS_MS))
log.info({ sandbox: sandbox.name, concurrency: config.WORKER_CONCURRENCY }, 'worker is ready')

closeWithGrace({ delay: CLOSE_MS, logger: false }, async ({ err }) => {
  if (err) log.error({ err }, 'worker fails')
  await stopHeartbeat()
  await worker.close()
  await Promise.all([stopCollecting(), stopRemoving(), stopMetrics()])
  await closeDeps(deps)
})

/** Runs nothing, and says why here and in /readyz. */
async function refuse(error: unknown): Promise<never> {
  log.error({ err: error }, 'worker does not start')
  await reportConfinement(deps, 'missing').catch((reason) => log.warn({ reason: messageOf(reason) }, 'not reported'))
  process.exit(1)
}

async function removeOthers(): Promise<void> {
  await removeLeftovers(config.DATA_DIR, false).catch((error) =>
    log.warn({ reason: messageOf(error) }, 'leftovers stay'),
  )
}
