/** From the words of a command line to values; what cannot be read is said with an example. */
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { PRESETS } from '../contract/images.ts'
import { METHOD_NAMES, type MethodName, TARGET_NAMES } from '../contract/recipe.ts'
import type { Data, QuantizeOptions } from '../engine/options.ts'
import { messageOf } from '../shared/errors.ts'

type Target = QuantizeOptions['target']

export function integer(text: string): number {
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('Expected a whole number above 0, as in 32.')
}

export function count(text: string): number {
  return text === '0' ? 0 : integer(text)
}

export function number(text: string): number {
  if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  throw new InvalidArgumentError('Expected a number, as in 0.01.')
}

export function positive(text: string): number {
  if (number(text) > 0) return Number(text)
  throw new InvalidArgumentError('Expected a number above 0, as in 1.5.')
}

const POWERS: Record<string, number> = { '': 0, K: 1, M: 2, G: 3, T: 4 }

/** `512M` and `4G` are powers of 1024. */
export function byteCount(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  if (amount && Number(amount) > 0) return Math.round(Number(amount) * 1024 ** POWERS[(unit ?? '').toUpperCase()]!)
  throw new InvalidArgumentError('Expected bytes, as in 4G or 512M.')
}

/** A built-in target by its name, or the path of a profile. */
export function target(text: string): Target {
  const name = TARGET_NAMES.find((known) => known === text)
  if (name) return name
  if (text.endsWith('.json')) return profile(text)
  throw new InvalidArgumentError(
    `There is ${TARGET_NAMES.join(', ')}, or a profile of your own in a file ending in .json.`,
  )
}

export const targets = (text: string, before: readonly Target[] = []): Target[] => [...before, target(text)]

function profile(path: string): Target {
  const found = parsedFile(path)
  if (typeof found === 'object' && found !== null && 'id' in found && typeof found.id === 'string')
    return found as Target
  throw new InvalidArgumentError('The file holds no profile: `fewbit targets npu-qnn-htp` prints one to start from.')
}

function parsedFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InvalidArgumentError(`${path} cannot be read: ${messageOf(error)}.`)
  }
}

export const list = (text: string, before: readonly string[] = []): string[] => [...before, text]

/** `static` and `static:per_channel=false,observer=mse`; repeatable. */
export function methods(text: string, before: readonly NamedMethod[] = []): NamedMethod[] {
  const [name, ...rest] = text.split(':')
  const type = METHOD_NAMES.find((known) => known === name)
  if (!type) throw new InvalidArgumentError(`There is ${METHOD_NAMES.join(', ')}.`)
  const set = pairs('static:per_channel=false', json)
  const options = rest.join(':').split(',').filter(Boolean)
  const found = options.reduce<Record<string, unknown>>((all, option) => set(option, all), {})
  return [...before, { ...found, type }]
}

interface NamedMethod extends Record<string, unknown> {
  type: MethodName
}

/** Repeatable `name=value`; `read` makes the value of its text. */
export const pairs =
  <T>(example: string, read: (text: string) => T) =>
  (text: string, before: Readonly<Record<string, T>> = {}): Record<string, T> => {
    const at = text.indexOf('=')
    if (at < 1) throw new InvalidArgumentError(`Expected name=value, as in ${example}.`)
    return { ...before, [text.slice(0, at)]: read(text.slice(at + 1)) }
  }

/** `8`, `false`, `"auto"` and `auto` alike */
export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** `1,3,224,224` */
export const sizes = (text: string): number[] => text.split(',').map(integer)

/** `16000`, `true`, `1,0,1` */
export function inputValue(text: string): number | boolean | (number | boolean)[] {
  const values = text.split(',').map((one) => (one === 'true' ? true : one === 'false' ? false : number(one)))
  return values.length === 1 ? values[0]! : values
}

/** The name of a preset, or the path of a spec or of transformers' preprocessor_config.json. */
export function images(text: string): NonNullable<Data['images']> {
  if (isPreset(text)) return { preset: text }
  if (!text.endsWith('.json'))
    throw new InvalidArgumentError(`There is ${Object.keys(PRESETS).join(', ')}, or a file ending in .json.`)
  const found = parsedFile(text)
  if (typeof found !== 'object' || found === null) throw new InvalidArgumentError('The file holds no object.')
  const isConfig = Object.keys(found).some((name) => name.startsWith('do_') || name === 'image_processor_type')
  return isConfig ? { preprocessor_config: { ...found } } : found
}

const isPreset = (text: string): text is keyof typeof PRESETS => Object.hasOwn(PRESETS, text)

/** `128`, or the path of a spec. */
export function text(words: string): NonNullable<Data['text']> {
  if (!words.endsWith('.json')) return { max_length: integer(words) }
  const found = parsedFile(words)
  if (typeof found === 'object' && found !== null && 'max_length' in found) return found as NonNullable<Data['text']>
  throw new InvalidArgumentError('The file holds no spec: {"max_length": 128} is the shortest.')
}

/** `0.00392` or, with an offset, `0.0078,-1` */
export function scaling(text: string): { scale: number; offset: number } {
  const [scale, offset, ...more] = text.split(',')
  if (more.length > 0) throw new InvalidArgumentError('Expected scale or scale,offset, as in x=0.0078,-1.')
  return { scale: positive(scale ?? ''), offset: offset === undefined ? 0 : number(offset) }
}
