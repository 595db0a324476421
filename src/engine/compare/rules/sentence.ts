/** Sentences whose numbers are read out of a document, so that each can name where they stand. */

/** A place in the document, and how what stands there is written. */
export interface Figure {
  pointer: string
  show: (value: unknown) => string
}

export interface Sentence {
  text: string
  pointers: readonly string[]
}

export type Say = (parts: TemplateStringsArray, ...figures: readonly (Figure | string)[]) => Sentence

/** A template tag: figures are looked up in `document`; strings stand as they are. Throws where nothing lies at a pointer. */
export const sayFrom =
  (document: unknown): Say =>
  (parts, ...figures) => ({
    text: String.raw({ raw: parts }, ...figures.map((one) => (typeof one === 'string' ? one : shown(document, one)))),
    pointers: figures.flatMap((one) => (typeof one === 'string' ? [] : [one.pointer])),
  })

function shown(document: unknown, { pointer, show }: Figure): string {
  const value = valueAt(document, pointer)
  if (value === undefined || value === null) throw new RangeError(`nothing lies at ${pointer}`)
  return show(value)
}

/** What a JSON pointer of plain names and indices leads to. */
const valueAt = (document: unknown, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], document)

const MINUS = '−'

const signed = (value: number, digits: number): string => {
  const text = Math.abs(value).toFixed(digits)
  return Number(text) === 0 ? text : `${value < 0 ? MINUS : '+'}${text}`
}

/** `+0.4`: a fraction in hundredths. */
export const points = (pointer: string): Figure => ({ pointer, show: (value) => signed(100 * Number(value), 1) })
/** `+0.4`: a difference as it is. */
export const difference = (pointer: string): Figure => ({ pointer, show: (value) => signed(Number(value), 1) })
/** `0.4` */
export const decimal = (pointer: string): Figure => ({ pointer, show: (value) => Number(value).toFixed(1) })
/** `2.35` */
export const times = (pointer: string): Figure => ({ pointer, show: (value) => Number(value).toFixed(2) })
/** `1.0`: a fraction in hundredths, without a sign. */
export const hundredths = (pointer: string): Figure => ({ pointer, show: (value) => (100 * Number(value)).toFixed(1) })
/** `26 %` */
export const percent = (pointer: string): Figure => ({
  pointer,
  show: (value) => `${(100 * Number(value)).toFixed(0)} %`,
})
/** as it stands there */
export const plain = (pointer: string): Figure => ({ pointer, show: String })
