/** The version of this program, as its package says. */
import { readFileSync } from 'node:fs'

/** package.json lies three folders above the compiled file. */
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export const VERSION: string = version
