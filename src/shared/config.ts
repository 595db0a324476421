/** The one place that reads the environment: every setting, its default and its meaning. */
import { availableParallelism, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'

const port = z.coerce.number().int().min(0).max(65535)
const positive = z.coerce.number().int().positive()
const flag = z.stringbool()
/** separated by commas */
const list = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .pipe(z.array(z.string().min(1)))
/** what an Authorization field can carry (RFC 6750) */
export const BOOTSTRAP_KEY = /^[\w.~+/-]{16,200}=*$/
const origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, 'expected https://host')

export const Environment = z.object({
  PORT: port.default(8080).describe('TCP port of the API; 0 takes a free one'),
  HOST: z.string().default('127.0.0.1').describe('address the API binds'),
  PUBLIC_URL: origin
    .optional()
    .describe('scheme, host and port under which clients reach the API, when a proxy stands in front'),
  ALLOWED_HOSTS: list
    .default([])
    .describe('names under which the API may be reached besides localhost, separated by commas; others are refused'),
  CORS_ORIGINS: list
    .pipe(z.array(origin))
    .default([])
    .describe('origins of web pages that may call the API, separated by commas; none by default'),
  ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: flag
    .default(false)
    .describe('serve everybody who can reach HOST, without API keys, where HOST is not loopback'),
  REQUIRE_KEYS: flag
    .optional()
    .describe('whether every call needs an API key; by default only where HOST is not loopback'),
  FEWBIT_BOOTSTRAP_KEY: z
    .string()
    .regex(BOOTSTRAP_KEY, 'expected 16 to 200 letters, digits or any of -._~+/')
    .optional()
    .describe('API key of the operator, with which the others are made'),
  FEWBIT_BOOTSTRAP_KEY_FILE: z.string().optional().describe('a file that holds it, instead'),
  DATA_DIR: z
    .string()
    .default('./data')
    .describe('files of the local store, the private Redis and the job directories'),
  REDIS_URL: z
    .string()
    .regex(/^(redis|rediss|unix):/, 'expected redis://, rediss:// or unix:/path/to.sock')
    .optional()
    .describe('Redis 6.2 or newer; when absent `npm start` runs a private redis-server'),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w-]+$/)
    .default('fewbit')
    .describe('prefix of every key and queue'),
  STORE_URL: z
    .string()
    .regex(/^file:/, 'expected file:/directory')
    .optional()
    .describe('where bytes live; default file:DATA_DIR/store'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  SANDBOX: z
    .enum(['auto', 'require', 'off'])
    .default('auto')
    .describe('bubblewrap around the runner: auto = when it works here, require = refuse to start without it'),
  RUNNER_THREADS: positive
    .default(Math.max(1, Math.min(availableParallelism(), 8)))
    .describe('ONNX Runtime threads of a job'),
  RUNNER_MEMORY_BYTES: positive
    .default(Math.floor(totalmem() * 0.7))
    .describe('resident memory at which a job is killed'),
  RUNNER_OUTPUT_BYTES: positive.default(16 * 1024 ** 3).describe('largest sum of the files that a job may write'),
  TRAINING_STOP_SECONDS: positive
    .default(60)
    .describe('time that a training has to package the best so far when it is canceled or too late'),
  WORKER_CONCURRENCY: positive.default(1).describe('jobs that one worker process runs at a time'),
  LOCK_SECONDS: z.coerce
    .number()
    .min(1)
    .default(15)
    .describe('a worker, or a sender of webhooks, that is silent for so long counts as dead: another takes its work'),
  METRICS_PORT: port
    .optional()
    .describe('port on which a process shows /metrics without a key; 0 takes a free one; none by default'),
  METRICS_HOST: z.string().default('127.0.0.1').describe('address that METRICS_PORT binds'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe('a collector of OpenTelemetry that takes OTLP over HTTP; traces are made only with one'),
  MAX_UPLOAD_BYTES: positive.default(16 * 1024 ** 3).describe('largest model or data set'),
  INSPECTION_MEMORY_BYTES: positive
    .default(Math.floor(Math.min(totalmem() / 4, 2 ** 30)))
    .describe('memory that the API may use for reading uploads, all together; more uploads wait'),
  COLLECTION_SECONDS: z.coerce
    .number()
    .positive()
    .default(60)
    .describe('pause between two looks for bytes that nothing refers to; what is found twice is deleted'),
  MAX_STORED_BYTES: positive.default(1024 ** 4).describe('models, data sets and artifacts of one owner, all together'),
  MAX_QUEUED_JOBS: positive.default(1000).describe('queued and running jobs of one owner'),
  WEBHOOK_ALLOW_PRIVATE: flag
    .default(false)
    .describe('deliver webhooks to http and private addresses too (local development)'),
  WEBHOOK_RETRY_SECONDS: z
    .string()
    .regex(/^\d+(\.\d+)?(,\d+(\.\d+)?)*$/, 'expected seconds, separated by commas')
    .default('5,300,1800,7200,18000,36000,50400,72000,86400')
    .describe('pauses between the attempts to deliver a webhook'),
  WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_/, 'expected whsec_ followed by base64')
    .optional()
    .describe('signing secret of per-job webhooks; generated and kept in Redis when absent'),
})

export type Environment = z.infer<typeof Environment>

export interface Config extends Omit<Environment, 'REDIS_URL' | 'STORE_URL'> {
  /** absolute path */
  DATA_DIR: string
  REDIS_URL: string | undefined
  STORE_URL: string
}

/** Parses the environment once at a process's entry. Throws an Error whose message lists every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`The environment is not valid:\n${lines.join('\n')}`)
  }
  const DATA_DIR = resolve(parsed.data.DATA_DIR)
  return {
    ...parsed.data,
    DATA_DIR,
    REDIS_URL: parsed.data.REDIS_URL,
    STORE_URL: parsed.data.STORE_URL ?? `file:${DATA_DIR}/store`,
  }
}
