/** Entry of the webhook process: the only one that opens connections to the outside. */
import closeWithGrace from 'close-with-grace'
import { closeDeps, openDeps } from '../src/open-deps.ts'
import { readConfig } from '../src/shared/config.ts'
import { createLogger } from '../src/shared/log.ts'
import { serveMetrics } from '../src/telemetry/serve-metrics.ts'
import { startHeartbeat } from './heartbeat.ts'
import { startNotify } from './start-notify.ts'

const CLOSE_MS = 20_000

const config = readConfig(process.env)
const log = createLogger(config.LOG_LEVEL, 'notify', config)
const deps = await openDeps(config, log)
const notify = await startNotify(deps)
const stopMetrics = await serveMetrics(deps)
const stopHeartbeat = startHeartbeat(deps, 'notify')
log.info('notify is ready')

closeWithGrace({ delay: CLOSE_MS, logger: false }, async ({ err }) => {
  if (err) log.error({ err }, 'notify fails')
  await stopHeartbeat()
  await notify.close()
  await stopMetrics()
  await closeDeps(deps)
})
