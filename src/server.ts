/** Entry of the API process: config → deps → app → listen → graceful close. */
import closeWithGrace from 'close-with-grace'
import { withBootstrapKey } from './api-keys/bootstrap-key.ts'
import { startCollecting } from './collect-unreferenced.ts'
import { buildApp } from './http/app.ts'
import { closeDeps, openDeps } from './open-deps.ts'
import { addServiceGauges } from './service-gauges.ts'
import { refuseOpenBinding } from './shared/binding.ts'
import { readConfig } from './shared/config.ts'
import { createLogger } from './shared/log.ts'
import { serveMetrics } from './telemetry/serve-metrics.ts'

const CLOSE_MS = 10_000

const config = withBootstrapKey(readConfig(process.env))
refuseOpenBinding(config)
const log = createLogger(config.LOG_LEVEL, 'api', config)
const deps = await openDeps(config, log)
addServiceGauges(deps)
const app = buildApp(deps)
const stopMetrics = await serveMetrics(deps)
const stopCollecting = startCollecting(deps)

closeWithGrace({ delay: CLOSE_MS, logger: log }, async ({ err }) => {
  if (err) log.fatal({ err }, 'the API ends')
  await app.close()
  await Promise.all([stopCollecting(), stopMetrics()])
  await closeDeps(deps)
})

const url = await app.listen({ host: config.HOST, port: config.PORT })
console.log(`listening on ${url}`)
