/** The logger of every process: pino, JSON lines, secrets removed. */
import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { redactor } from './redact.ts'

export type { Logger }

type Secrets = Partial<Pick<Config, 'FEWBIT_BOOTSTRAP_KEY' | 'WEBHOOK_SECRET'>>

/** Makes the process's logger; `process` names it in every line. */
export function createLogger(level: string, process: string, secrets: Secrets = {}): Logger {
  return pino({
    level,
    base: { process },
    redact: { paths: ['req.headers.authorization', 'req.headers.cookie', '*.secret', 'secret'], remove: true },
    hooks: { streamWrite: redactor([secrets.FEWBIT_BOOTSTRAP_KEY, secrets.WEBHOOK_SECRET]) },
  })
}
