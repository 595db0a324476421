/** What the arithmetic of this machine's processor does. */
import { existsSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'

const FACTS = '/proc/cpuinfo'

/** Whether it adds two products of u8 and s8 in 16 bits that saturate: x86-64 without VNNI. False where the system does not say. */
export const saturatesProducts = (): boolean =>
  arch() === 'x64' && existsSync(FACTS) && !/vnni/.test(readFileSync(FACTS, 'utf8'))
