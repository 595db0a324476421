/** The operator's first key, which stands in the settings or in a file that they name (a secret that is mounted). */
import { readFileSync } from 'node:fs'
import { BOOTSTRAP_KEY, type Config } from '../shared/config.ts'

/** Reads the file once, at the start of the API. Throws an Error that says what to do. */
export function withBootstrapKey(config: Config): Config {
  const path = config.FEWBIT_BOOTSTRAP_KEY_FILE
  if (path === undefined || config.FEWBIT_BOOTSTRAP_KEY !== undefined) return config
  const key = readFileSync(path, 'utf8').trim()
  if (BOOTSTRAP_KEY.test(key)) return { ...config, FEWBIT_BOOTSTRAP_KEY: key }
  throw new Error(`FEWBIT_BOOTSTRAP_KEY_FILE: ${path} must hold 16 to 200 letters, digits or any of -._~+/`)
}
