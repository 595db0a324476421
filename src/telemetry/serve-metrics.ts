/** A port on which a process shows its metrics to whoever can reach it, beside what it does otherwise. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from '../shared/config.ts'
import type { Logger } from '../shared/log.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsDeps {
  config: Pick<Config, 'METRICS_PORT' | 'METRICS_HOST'>
  metrics: Metrics
  log: Logger
}

/** Does nothing without METRICS_PORT. A port that is taken costs the metrics, not the process. Returns what closes it. */
export async function serveMetrics({ config, metrics, log }: MetricsDeps): Promise<() => Promise<void>> {
  const { METRICS_PORT: port, METRICS_HOST: host } = config
  if (port === undefined) return async () => {}
  const server = createServer(async ({ method, url }, response) => {
    if (method !== 'GET' || url !== '/metrics') return response.writeHead(404).end()
    const text = await metrics.registry.metrics()
    return response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text)
  })
  await new Promise<void>((resolve) => {
    server.once('listening', resolve)
    server.once('error', (error) => {
      log.error({ reason: error.message }, 'no metrics')
      resolve()
    })
    server.listen(port, host)
  })
  if (server.listening) log.info({ port: (server.address() as AddressInfo).port }, 'metrics are served')
  return async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
