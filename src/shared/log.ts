/** The logger of every process: pino, JSON lines, secrets removed. */
import { type Logger, pino } from 'pino'

export type { Logger }

/** Makes the process's logger; `process` names it in every line. */
export function createLogger(level: string, process: string): Logger {
  return pino({
    level,
    base: { process },
    redact: { paths: ['req.headers.authorization', 'req.headers.cookie', '*.secret', 'secret'], remove: true },
  })
}
