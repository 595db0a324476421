/** Entry of `npm start`: the whole service on one machine, with a private Redis when REDIS_URL is not set. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import closeWithGrace from 'close-with-grace'
import { refuseOpenBinding } from '../src/shared/binding.ts'
import { readConfig } from '../src/shared/config.ts'
import { messageOf } from '../src/shared/errors.ts'
import { openFamily } from './local/family.ts'
import { requireFreePort } from './local/free-port.ts'
import { type PrivateRedis, privateRedis } from './local/private-redis.ts'

const CLOSE_MS = 30_000
const MISSING = 'redis-server is not installed: apt-get install -y redis-server (or set REDIS_URL)'

const family = openFamily((text) => console.error(text))
closeWithGrace({ delay: CLOSE_MS, logger: false }, async ({ err }) => {
  if (err) console.error(messageOf(err))
  await family.stop()
})

try {
  await start()
} catch (error) {
  console.error(messageOf(error))
  await family.stop()
  process.exit(1)
}

async function start(): Promise<void> {
  const config = readConfig({ LOG_LEVEL: 'warn', ...process.env })
  refuseOpenBinding(config)
  await requireFreePort(config.HOST, config.PORT)
  const redis = config.REDIS_URL ? null : await startRedis(join(config.DATA_DIR, 'redis'))
  const environment = {
    LOG_LEVEL: 'warn',
    ...process.env,
    DATA_DIR: config.DATA_DIR,
    REDIS_URL: redis?.url ?? config.REDIS_URL,
  }
  let port = String(config.PORT)
  const announce = (text: string) => {
    const url = /listening on (\S+)/.exec(text)?.[1]
    if (!url) return process.stdout.write(text)
    const again = port === new URL(url).port && config.PORT === 0
    port = new URL(url).port
    if (!again) console.log(`Fewbit is listening on ${url}`)
  }
  // the operator's key is for the API alone
  const keyless = { ...environment, FEWBIT_BOOTSTRAP_KEY: undefined }
  // one machine, one port each
  const metricsPort = (after: number) =>
    config.METRICS_PORT ? { METRICS_PORT: String(config.METRICS_PORT + after) } : {}
  family.start({ name: 'worker', command: () => script('main.js'), env: () => ({ ...keyless, ...metricsPort(1) }) })
  family.start({ name: 'notify', command: () => script('notify.js'), env: () => ({ ...keyless, ...metricsPort(2) }) })
  family.start({
    name: 'api',
    command: () => script('..', 'src', 'server.js'),
    env: () => ({ ...environment, PORT: port }),
    onOutput: announce,
  })
}

function script(...path: string[]): string[] {
  return [process.execPath, join(import.meta.dirname, ...path)]
}

/** The first of the family, so that it ends last. */
async function startRedis(directory: string): Promise<PrivateRedis> {
  if (spawnSync('redis-server', ['--version']).error) throw new Error(MISSING)
  const redis = await privateRedis(directory)
  family.start({ name: 'redis', command: () => redis.command, env: () => process.env })
  await redis.ready()
  return redis
}
