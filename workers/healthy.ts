/** Health check of a container: `node dist/workers/healthy.js worker`. */
import { type Beating, isBeating } from './heartbeat.ts'

process.exitCode = isBeating(process.argv[2] as Beating) ? 0 : 1
