/** Health check of a container: `node dist/workers/healthcheck.js api`, or `worker`, or `notify`. */
import { readConfig } from '../src/shared/config.ts'
import { isBeating } from './heartbeat.ts'

const { PORT, DATA_DIR } = readConfig(process.env)

const CHECKS: Record<string, () => boolean | Promise<boolean>> = {
  api: () =>
    fetch(`http://127.0.0.1:${PORT}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  worker: () => isBeating(DATA_DIR, 'worker'),
  notify: () => isBeating(DATA_DIR, 'notify'),
}

process.exitCode = (await CHECKS[process.argv[2] ?? '']?.()) ? 0 : 1
