/** Which service the command talks to, and with which key: options before the environment, the environment before `fewbit login`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import envPaths from 'env-paths'
import { z } from 'zod'
import { FewbitError, messageOf } from '../../shared/errors.ts'

/** The same word for the same server, whatever is typed: its origin, without a slash at the end. */
export type Origin = string

export interface Access {
  server: Origin
  key: string | null
}

const Settings = z.object({
  server: z.string().optional(),
  keys: z.record(z.string(), z.string()).default({}),
})
type Settings = z.infer<typeof Settings>

const LOCAL = 'http://localhost:8080'
const ONLY_OWNER = 0o600

const fileOf = (): string => join(envPaths('fewbit', { suffix: '' }).config, 'servers.json')

/** Throws invalid_request. */
export function originOf(text: string): Origin {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url && /^https?:$/.test(url.protocol)) return url.href.replace(/[?#].*$/, '').replace(/\/+$/, '')
  throw new FewbitError('invalid_request', `${text} is not the address of a service`, {
    hint: `an address begins with http:// or https://, as in ${LOCAL}`,
  })
}

/** A key is only ever sent to the server for which it was given. */
export function accessOf(server: string | undefined): Access {
  const { FEWBIT_SERVER, FEWBIT_API_KEY } = process.env
  const saved = readSettings()
  const origin = originOf(server ?? FEWBIT_SERVER ?? saved.server ?? LOCAL)
  return { server: origin, key: FEWBIT_API_KEY || (saved.keys[origin] ?? null) }
}

/** Makes `access` the one that is used from now on. Returns the file, which its owner alone can read. */
export function saveAccess({ server, key }: Access): string {
  const { keys } = readSettings()
  const others = Object.fromEntries(Object.entries(keys).filter(([origin]) => origin !== server))
  return write({ server, keys: key === null ? others : { ...others, [server]: key } })
}

function readSettings(): Settings {
  const file = fileOf()
  if (!existsSync(file)) return { keys: {} }
  try {
    return Settings.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new FewbitError('invalid_request', `${file} cannot be read: ${messageOf(error).split('\n')[0]}`, {
      hint: 'remove the file and run `fewbit login` again',
    })
  }
}

function write(settings: Settings): string {
  const file = fileOf()
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(settings, null, 2)}\n`, { mode: ONLY_OWNER })
  chmodSync(draft, ONLY_OWNER)
  renameSync(draft, file)
  return file
}
