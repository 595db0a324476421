/** What the processor that runs the tests can do. */
import { existsSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'

const FACTS = '/proc/cpuinfo'

/** Whether it multiplies 8-bit integers and adds them up in 32 bits: ARM64, and x86-64 with VNNI. */
export const hasDotProducts = (): boolean =>
  arch() === 'arm64' || !existsSync(FACTS) || /vnni/.test(readFileSync(FACTS, 'utf8'))
